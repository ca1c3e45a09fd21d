"""A curriculum in a run: what is measured, what is kept, who follows it."""

import copy
import io
import json

import numpy as np
import pytest
import torch
from rich.console import Console

import tiny_run
from madrigal.cli.located import located
from madrigal.errors import RecipeError
from madrigal.mixture.competence import allowed
from madrigal.pipeline import difficulty as difficulty_module
from madrigal.pipeline.build import build
from madrigal.pipeline.check import check
from madrigal.pipeline.difficulty import example_losses, scheduled
from madrigal.pipeline.parts import fresh_model, step_parts
from madrigal.pipeline.run import run
from madrigal.pipeline.watch import Screen
from madrigal.training import loop
from madrigal.training.processes import Processes
from madrigal.training.step import losses_of

BY_LOSS = {"difficulty": {"by": "base_loss", "start": 0.2, "full_at": 1.0}}


def loaded(folder, curriculum, **stage):
    keys = copy.deepcopy(tiny_run.keys())
    keys["model"]["precision"] = "float32"
    keys["stages"] = [{**keys["stages"][0], "curriculum": curriculum, **stage}]
    return tiny_run.tiny(folder, keys)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(loaded(tmp_path_factory.mktemp("recipe"), BY_LOSS))


def schedule(built, folder):
    (stage,) = built.recipe.stages
    return scheduled(built, stage, fresh_model(built), folder, Screen(silent=True), Processes())


def test_the_loss_of_an_example_is_what_a_step_would_say(built):
    """Nats per answer token, without dropout, each example on its own."""
    (stage,) = built.recipe.stages
    model = fresh_model(built)
    examples = built.examples["echo"][:9]
    found = example_losses(model, "echo", examples, 4096, lambda done, total: None)
    parts = step_parts(built, stage, model, Processes(), stage.learn)
    each = [losses_of(parts, 0, [("echo", example)])["echo"] for example in examples]
    assert found == pytest.approx(each, rel=1e-5)
    assert len(set(found.tolist())) == 9


def test_the_examples_come_in_the_order_of_their_loss(built, tmp_path):
    source = schedule(built, tmp_path)
    for name in source.names:
        k = source.names.index(name)
        losses = example_losses(
            fresh_model(built), name, built.examples[name], 4096, lambda done, total: None
        )
        order = np.argsort(losses).tolist()
        for step in range(source.steps):
            able = (step / 8 * (1 - 0.2**2) + 0.2**2) ** 0.5
            easy = set(order[: allowed(source.sizes[k], able)])
            assert {d.index for d in source.draws(step) if d.task == name} <= easy


def test_what_was_measured_is_kept_and_not_measured_again(built, tmp_path, monkeypatch):
    first = schedule(built, tmp_path)
    body = json.loads((tmp_path / "difficulty.json").read_text(encoding="utf-8"))
    assert {name: len(held["nats_per_token"]) for name, held in body["tasks"].items()} == {
        name: len(built.examples[name]) for name in ("mood", "echo")
    }

    def never(*_):
        raise AssertionError("measured again")

    monkeypatch.setattr(difficulty_module, "row_nats", never)
    again = schedule(built, tmp_path)
    assert np.array_equal(first.index, again.index)
    # Other examples are measured anew.
    body["tasks"]["mood"]["examples_sha256"] = "0" * 64
    (tmp_path / "difficulty.json").write_text(json.dumps(body), encoding="utf-8")
    with pytest.raises(AssertionError, match="measured again"):
        schedule(built, tmp_path)


def tokens(path):
    rows = path.read_text(encoding="utf-8").splitlines()
    return {row["step"]: row["tokens"] for row in map(json.loads, rows)}


@pytest.fixture
def plain_settings():
    yield
    torch.use_deterministic_algorithms(False)


def test_single_task_runs_see_the_same_examples_at_the_same_steps(tmp_path, plain_settings):
    keys = copy.deepcopy(tiny_run.keys())
    # The stage before it changes the loss that the second one goes by.
    first, _ = keys["stages"]
    second = {**first, "name": "after", "curriculum": {**BY_LOSS, "enter": {"echo": 0.25}}}
    keys["stages"] = [{**first, "steps": 2}, second]
    keys["evaluate"] = {"baselines": True, "draws": 200, "base": False}
    out = run(tiny_run.tiny(tmp_path, keys), tmp_path / "run")
    joint = tokens(out / "stages" / "02-after" / "steps.jsonl")
    assert all("echo" not in joint[step] for step in (1, 2))
    for task in ("mood", "echo"):
        alone = tokens(out / "baselines" / task / "02-after" / "steps.jsonl")
        wanted = {step: {task: held[task]} for step, held in joint.items() if task in held}
        assert alone == wanted
    assert not list((out / "baselines").rglob("difficulty.json"))
    shares = json.loads((out / "manifest.json").read_text(encoding="utf-8"))["shares"]
    assert shares["02-after"]["echo"].keys() == {"asked"}


class Died(BaseException):
    """As SIGKILL: nothing catches it."""


def end_of(run):
    """Journals without times, weights and predictions of a run."""
    found = {}
    for path in sorted(run.rglob("steps.jsonl")):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        found[path.relative_to(run)] = [
            {k: v for k, v in r.items() if k != "seconds"} for r in rows
        ]
    names = ("model.safetensors", "difficulty.json", "scores.json", "echo.jsonl", "mood.jsonl")
    for path in (path for name in names for path in sorted(run.rglob(name))):
        if "checkpoints" not in path.parts:
            found[path.relative_to(run)] = path.read_bytes()
    return found


def test_killed_anywhere_and_taken_up_it_is_the_same_run(tmp_path, plain_settings, monkeypatch):
    """While the losses are measured, in a stage that goes by them, and in a baseline."""
    keys = copy.deepcopy(tiny_run.keys())
    by_loss = {**BY_LOSS, "enter": {"echo": 0.3}}
    first, _ = keys["stages"]
    keys["stages"] = [
        {**first, "curriculum": {"difficulty": "length"}, "steps": 3, "checkpoint_every": 2},
        {**first, "name": "after", "curriculum": by_loss},
    ]
    recipe = tiny_run.tiny(tmp_path, keys)
    wanted = end_of(run(recipe, tmp_path / "whole"))
    assert sum(path.name == "difficulty.json" for path in wanted) == 1
    real_step, real_nats = loop._Trainer.step, difficulty_module.row_nats
    # Of each attempt: steps until it dies, and whether it dies in measuring.
    for number, (steps, measuring) in enumerate([(99, True), (4, False), (7, False), (9, False)]):
        seen = []

        def step(self, steps=steps, seen=seen):
            real_step(self)
            seen.append(1)
            if len(seen) == steps:
                raise Died

        def nats(*given, measuring=measuring):
            if measuring:
                raise Died
            return real_nats(*given)

        monkeypatch.setattr(loop._Trainer, "step", step)
        monkeypatch.setattr(difficulty_module, "row_nats", nats)
        with pytest.raises(Died):
            run(recipe, tmp_path / "killed", resume=number > 0)
    monkeypatch.setattr(loop._Trainer, "step", real_step)
    monkeypatch.setattr(difficulty_module, "row_nats", real_nats)
    found = end_of(run(recipe, tmp_path / "killed", resume=True))
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if found[name] != wanted[name]] == []


def said(folder, curriculum, **stage):
    console = Console(file=io.StringIO(), width=200)
    check(loaded(folder, curriculum, **stage), console)
    return console.file.getvalue()


def test_check_tells_what_comes_when(tmp_path):
    text = said(tmp_path, {"enter": {"echo": 0.5}, "difficulty": "length"}, steps=10)
    assert "echo comes in at step 6 of 10" in text
    assert "easy examples first, by length: 4 of 40 mood, 4 of 40 echo; all of them at 50%" in text
    assert "mood 75%" in text
    assert "known only when" not in text


def test_check_says_what_only_the_model_can_tell(tmp_path):
    text = said(tmp_path, {"difficulty": {"by": "base_loss", "easy_first": False}})
    assert "difficult examples first, by loss of the model before the stage" in text
    assert "which ones is known only when the loss has been measured" in text
    assert "loss of the base, for a curriculum" in text


@pytest.mark.parametrize(
    ("curriculum", "stage", "message"),
    [
        (
            {"enter": {"echo": 0.9}},
            {"steps": 5},
            "stages[0].curriculum.enter.echo: 0.9 of 5 steps is after the last of them; lower it "
            "or take more steps",
        ),
        (
            {"difficulty": "length"},
            {"mixture": "balanced"},
            "stages[0].curriculum: 'mood' may have 4 passes over its examples at most, and a "
            "curriculum does not count passes; remove `max_epochs` (and `balanced`), or the "
            "curriculum",
        ),
    ],
    ids=["too late", "caps"],
)
def test_what_does_not_fit_the_data_is_told_with_its_line(tmp_path, curriculum, stage, message):
    made = loaded(tmp_path, curriculum, **stage)
    with pytest.raises(RecipeError) as refused, located(made):
        check(made, Console(file=io.StringIO()))
    (line,) = refused.value.mistakes
    assert line.startswith(f"{tmp_path / 'recipe.yaml'}:")
    assert line.endswith(f": {message}")
