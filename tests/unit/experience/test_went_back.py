"""After going back every task keeps what signs have taught, and the one that gave the sign more."""

import pytest

import acting
import tiny_run
from madrigal.model.load import load_model
from madrigal.pipeline.acting import acting as rollouts_of
from madrigal.pipeline.build import build
from madrigal.training.acting import Care
from madrigal.training.processes import Processes


@pytest.fixture
def rollouts(tmp_path):
    keys = acting.keys(acting.KINDS["rloo"] | {"beta": 0.1}, learn=["echo", "mood"])
    keys["stages"][1]["objective"]["mood"] = keys["stages"][1]["objective"]["echo"]
    loaded = tiny_run.tiny(tmp_path, keys)
    built = build(loaded)
    model = load_model(loaded.recipe.model, loaded.root, 0, built.tokenizer)
    stage = loaded.recipe.stages[1]
    return rollouts_of(built, stage, model, stage.learn, Processes(), tmp_path)


def test_a_nat_is_dearer_for_the_task_of_the_sign_and_as_dear_as_it_was_for_others(rollouts):
    assert {task: care.beta for task, care in rollouts.care().items()} == {"echo": 0.1, "mood": 0.1}
    care = {"echo": Care(2, 0.4, 1.0, 0.0), "mood": Care(1, 0.2, 0.0, 3.0)}
    rollouts.went_back(care, "echo")
    found = rollouts.care()
    assert found["echo"] == Care(2, 1.5 * 0.4, 1.0, 0.0)
    assert found["mood"] == Care(1, 0.2, 0.0, 3.0)
