"""What retention cost a stage: each kind's formula by hand, and the file as a run leaves it."""

import json

import pytest
import torch

from madrigal.model.fold import Adapted
from madrigal.model.inspect import Size
from madrigal.pipeline.costs import Counts, counted, flops, saved_bytes
from madrigal.pipeline.said import Said, said
from madrigal.recipe import retain

SIZE = Size(parameters=1_100, trainable=100, matrices=1_000)
COUNTS = Counts(steps=10, own=700, replayed=50, asked=600)


def test_each_kind_costs_what_its_formula_says():
    kinds = (retain.Replay(), retain.Distill(), retain.Ewc(), retain.Interpolate())
    assert flops(kinds, COUNTS, SIZE, 100, []) == {
        "own": (4 * 1_000 + 6 * 100) * 700,
        "replay": (4 * 1_000 + 6 * 100) * 50,
        "distill": 2 * (1_000 + 100) * 600,
        "ewc": 6 * 100 * 10,
        "interpolate": 0.0,
    }


def test_a_frozen_matrix_takes_no_gradient_of_its_own():
    """Two operations less for each of its parameters; a pull on it is computed all the same."""
    kinds = (retain.Replay(), retain.Ewc())
    assert flops(kinds, COUNTS, SIZE, 100, [], still=40) == {
        "own": (4 * 1_000 + 6 * 100 - 2 * 40) * 700,
        "replay": (4 * 1_000 + 6 * 100 - 2 * 40) * 50,
        "ewc": 6 * 100 * 10,
    }


def test_tokens_of_own_answers_are_those_of_rollouts_and_looks(tmp_path):
    assert said(tmp_path) == Said(written=0, scored=0)
    lines = {"rollouts": [{"read": 7, "written": 20, "scored": 54}] * 2,
             "looks": [{"read": 30, "written": 9}]}  # fmt: skip
    for name, some in lines.items():
        text = "".join(json.dumps({"step": 1, "tokens": one}) + "\n" for one in some)
        (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
    assert said(tmp_path) == Said(written=93, scored=108)
    assert said(tmp_path).tokens == 201


def test_overlap_costs_two_products_and_their_sum():
    layer = Adapted(torch.nn.Parameter(torch.zeros(2, 5)), torch.zeros(6, 5))
    found = flops((retain.OLora(strength=0.5),), COUNTS, SIZE, 100, [layer])
    assert found["o_lora"] == 10 * (2 * 2 * 6 * 5 + 2 * 2 * 6 * 5 + 2 * 2 * 5)
    assert flops((retain.OLora(strength=0),), COUNTS, SIZE, 100, [layer])["o_lora"] == 0


@pytest.fixture
def steps(tmp_path):
    lines = [{"tokens": {"new": 30, "old": 4}}, {"tokens": {"new": 20}}]
    path = tmp_path / "steps.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_tokens_are_told_apart(steps):
    assert counted(steps, {"old"}, {"old"}) == Counts(
        steps=2, own=50, replayed=4, asked=34, guarded=1
    )
    assert counted(steps, (), ()) == Counts(steps=2, own=54, replayed=0, asked=0)


def test_a_stage_that_took_no_step_cost_nothing(tmp_path):
    assert counted(tmp_path / "steps.jsonl", (), ()) == Counts(0, 0, 0, 0)


def test_only_weights_count_as_served(tmp_path):
    for name, size in (("adapter/a.safetensors", 7), ("adapter/tokenizer.json", 100),
                       ("adapters/t/b.safetensors", 5), ("kept/c.safetensors", 9)):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    assert saved_bytes(tmp_path) == 12


def test_what_the_model_said_itself_is_in_the_log(tmp_path):
    lines = [{"tokens": {"new": 30}, "said_tokens": {"read": 90, "trained": 40}}] * 2
    path = tmp_path / "steps.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    counts = counted(path, (), ())
    assert (counts.read, counts.said) == (180, 80)
    found = flops((retain.Distill(on="own"),), counts, SIZE, 100, [])
    assert found["distill"] == 2 * 1_100 * 180 + (4 * 1_000 + 6 * 100) * 80
