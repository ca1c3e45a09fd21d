"""Small models that others trained: they load, train and generate."""

import math

import pytest

import tiny_run
from madrigal.evaluation.evaluate import evaluate_task
from madrigal.pipeline.build import build
from madrigal.pipeline.parts import fresh_model, step_parts
from madrigal.training.loop import train
from madrigal.training.processes import Processes
from madrigal.training.record import StepRecord
from madrigal.training.stage_run import StageRun
from real import MODELS, needs_models

NAMES = ("tinystories-260k", "tinystories-ternary-3m", "tinystories-chat-3m")


@needs_models
@pytest.mark.parametrize("adapter", ["full", "lora"])
@pytest.mark.parametrize("name", NAMES)
def test_loads_trains_two_steps_and_generates(tmp_path, name, adapter):
    keys = tiny_run.keys()
    keys["model"] = {"base": str(MODELS / name), "adapter": adapter, "precision": "float32"}
    keys["stages"] = [
        {"name": "together", "learn": ["mood", "echo"], "steps": 2, "batch": {"rows": 8}}
        | {"optimiser": {"warmup": 0.0, "schedule": "constant"}}
    ]
    built = build(tiny_run.tiny(tmp_path, keys))
    model, stage = fresh_model(built), built.recipe.stages[0]
    seen = []
    run = StageRun(
        settings=stage,
        parts=step_parts(built, stage, model, Processes(), stage.learn),
        source=built.source(stage),
        examples=built.examples,
        checkpoints=tmp_path / "checkpoints",
        validate=None,
        validate_every=0,
    )
    train(run, seen.append)
    records = [one for one in seen if isinstance(one, StepRecord)]
    assert len(records) == 2
    assert all(math.isfinite(x) and 0 < x < 20 for r in records for x in r.loss.values())
    assert not any(record.skipped for record in records)
    echo, mood = built.tasks["echo"], built.tasks["mood"]
    answers = evaluate_task(model, built.coder, echo, echo.splits["test"][:2])
    assert [len(row.output) < 60 for row in answers] == [True, True]
    assert any(row.output for row in answers)
    ranked = evaluate_task(model, built.coder, mood, mood.splits["test"][:2])
    assert {row.output for row in ranked} <= {"good", "bad"}
    assert all(value < 0 for row in ranked for value in row.choices.values())


@needs_models
@pytest.mark.parametrize("name", NAMES)
def test_knows_what_it_was_trained_on(tmp_path, name):
    """A children's story costs few nats a byte, shuffled letters many: the weights are in place."""
    story = "Once upon a time, there was a little girl named Lily. She loved to play outside. " * 2
    (tmp_path / "story.txt").write_text(story, encoding="utf-8")
    (tmp_path / "noise.txt").write_text("".join(sorted(story)) * 2, encoding="utf-8")
    tasks = {n: {"data": {"test": f"{n}.txt", "format": "text"}} for n in ("story", "noise")}
    keys = {"name": "read", "model": {"base": str(MODELS / name)}, "tasks": tasks, "stages": []}
    built = build(tiny_run.tiny(tmp_path, keys))
    model = fresh_model(built)
    cost = {}
    for task in built.tasks.values():
        (row,) = evaluate_task(model, built.coder, task, task.splits["test"])
        cost[task.name] = row.nats / row.bytes
    assert cost["story"] < 0.9
    assert cost["story"] < cost["noise"] / 2
