"""A task that overfits goes back to its best validation, alone, and stays there."""

import dataclasses
import json
import math
import os

import pytest
import torch

from madrigal.pipeline.journal import Journal, forget_after
from madrigal.pipeline.stage import _finish, _go_to_end
from madrigal.recipe.model import LoraAdapter, PrivatePart
from madrigal.recipe.stage import EarlyStop, Optimiser
from madrigal.training.checkpoint import load_checkpoint, newest_checkpoint
from madrigal.training.loop import train
from madrigal.training.record import Event, StepRecord, Validation
from madrigal.training.step import losses_of
from tiny import examples, private_model, stage, stage_run

PRIVATE = LoraAdapter(layers="none", private=PrivatePart(rank=3))
BESIDE = LoraAdapter(rank=2, private=PrivatePart(rank=3))
STEPS, EVERY = 28, 4

# Task a has four rows of noise to learn and other noise to be judged by; b is judged by its own.
TRAINED = {"a": examples(4, 1), "b": examples(10, 2)}
JUDGED = {"a": examples(12, 3), "b": TRAINED["b"]}


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)


class Died(BaseException):
    """As SIGKILL: nothing catches it."""


def model(adapter=PRIVATE):
    return private_model(adapter, ("a", "b"))


def rule(**keys):
    return EarlyStop(**{"patience": 2, "per_task": True, "roll_back": True} | keys)


def go(folder, early_stop, held=None, die_after=0, corrupt=None):
    """Train; what was observed, and the score of each task with the final weights."""
    folder.mkdir(exist_ok=True)
    held = held or model()
    keys = {
        "optimiser": Optimiser(learning_rate=0.05, weight_decay=0.1, clip=0, schedule="constant"),
        "checkpoint_every": 9,
        "early_stop": early_stop,
    }
    settings = stage(steps=STEPS, **keys)
    run = stage_run(folder, held, settings, lambda: scores(run), EVERY)
    size = {task: len(rows) for task, rows in TRAINED.items()}
    source = dataclasses.replace(run.source, rows=2, size=min(size.values()))
    run = dataclasses.replace(run, examples=TRAINED, source=source)
    found = newest_checkpoint(run.checkpoints)
    forget_after(folder, found.step if found else 0)
    journal, seen = Journal(folder), []

    def observe(what):
        journal(what)
        seen.append(what)
        if isinstance(what, StepRecord) and what.step == die_after:
            raise Died
        if corrupt and isinstance(what, StepRecord):
            corrupt(held, what.step)

    progress = train(run, observe)
    return progress, seen, scores(run), held, settings


def scores(run):
    """Probability of an answer token, higher is better."""
    drawn = [(task, row) for task, rows in JUDGED.items() for row in rows]
    return {task: math.exp(-x) for task, x in losses_of(run.parts, 0, drawn).items()}


def part(held, task):
    return [parameter.detach().clone() for parameter in held.private.of(task)]


def same(one, two):
    return all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def best_of(seen, task):
    """Best validation of a task, and its step."""
    found = [(what.scores[task], -what.step) for what in seen if isinstance(what, Validation)]
    score, step = max(found)
    return score, -step


def lines(folder):
    rows = (folder / "steps.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [{k: v for k, v in json.loads(row).items() if k != "seconds"} for row in rows]
    others = [(folder / f"{name}.jsonl").read_bytes() for name in ("validation", "events")]
    return steps, others


@pytest.fixture(scope="module")
def rolled(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        folder = tmp_path_factory.mktemp("rolled")
        return folder, *go(folder, rule())


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The same without a roll-back: task a leaves as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        folder = tmp_path_factory.mktemp("kept")
        return folder, *go(folder, rule(roll_back=False))


def test_the_planted_task_overfits_and_the_clean_one_does_not(kept):
    _, progress, seen, final, _, _ = kept
    assert progress.done == ["a"]
    best, step = best_of(seen, "a")
    assert EVERY <= step < STEPS
    leaves = next(what.step for what in seen if isinstance(what, Event))
    last = next(w.scores["a"] for w in seen if isinstance(w, Validation) and w.step == leaves)
    assert last < 0.97 * best
    assert final["a"] < 0.99 * best
    assert best_of(seen, "b")[1] == STEPS


def test_the_final_validation_is_the_best(rolled):
    _, progress, seen, final, _, _ = rolled
    assert progress.done == ["a"]
    best, step = best_of(seen, "a")
    assert final["a"] == best
    after = [w.scores["a"] for w in seen if isinstance(w, Validation)]
    assert after[-1] == best
    assert [(e.kind, e.text) for e in seen if isinstance(e, Event)] == [
        ("task_done", "Task a stopped gaining and leaves the mixture."),
        (
            "task_rolled_back",
            f"The private part of task a goes back to step {step} ({best:.4f}), its best, and "
            "stays there.",
        ),
    ]


def test_the_part_is_that_of_the_best_step_and_no_moment_of_it_is_left(rolled):
    folder, _, seen, _, held, _ = rolled
    _, step = best_of(seen, "a")
    last = newest_checkpoint(folder / "checkpoints")
    own = {id(p) for p in held.private.of("a")}
    names = [name for name, p in held.trainable() if id(p) in own]
    for name in names:
        assert torch.equal(last.weights[name], last.moments[f"best_part/a/{name}"])
        assert f"exp_avg/{name}" not in last.moments
    # A stage that ends at the best step holds the same part.
    short = folder / "short"
    _, _, _, there, _ = go(short, None, corrupt=stop_at(step))
    assert same(part(there, "a"), part(held, "a"))


def stop_at(step):
    """Freeze task a by hand from a step on: its part is what it was then."""
    kept = []

    def act(held, now):
        if now == step:
            kept.extend(part(held, "a"))
        if now >= step:
            for parameter, value in zip(held.private.of("a"), kept, strict=True):
                parameter.data.copy_(value)

    return act


def test_the_clean_twin_is_untouched(rolled, kept):
    one, two = (newest_checkpoint(folder[0] / "checkpoints") for folder in (rolled, kept))
    assert one.step == two.step == STEPS
    held = rolled[4]
    own = {id(p) for p in held.private.of("b")}
    names = [name for name, p in held.trainable() if id(p) in own]
    assert names
    assert all(torch.equal(one.weights[name], two.weights[name]) for name in names)
    others = [name for name, p in held.trainable() if id(p) not in own]
    assert not all(torch.equal(one.weights[name], two.weights[name]) for name in others)


@pytest.mark.parametrize("adapter", [PRIVATE, BESIDE], ids=["alone", "beside"])
def test_killed_anywhere_it_becomes_the_same(tmp_path, adapter):
    progress, _, final, held, _ = go(tmp_path / "straight", rule(), model(adapter))
    assert progress.done == ["a"]
    wanted = {name: p.detach().clone() for name, p in held.trainable()}
    gone = json.loads((tmp_path / "straight" / "events.jsonl").read_text().splitlines()[0])["step"]
    for die_after in sorted({gone - 1, min(gone + 1, progress.step), progress.step}):
        folder = tmp_path / str(die_after)
        with pytest.raises(Died):
            go(folder, rule(), model(adapter), die_after)
        _, _, again, resumed, _ = go(folder, rule(), model(adapter))
        assert again == final
        found = {name: p.detach() for name, p in resumed.trainable()}
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)
        assert lines(folder) == lines(tmp_path / "straight")


@pytest.mark.parametrize("adapter", [PRIVATE, BESIDE], ids=["alone", "beside"])
def test_a_finished_stage_is_taken_up_with_the_same_weights(tmp_path, adapter):
    """Also where the whole model ends with an earlier checkpoint than the part does."""
    progress, _, _, held, settings = go(tmp_path / "run", rule(patience=3), model(adapter))
    _finish(settings, tmp_path / "run", progress)
    assert json.loads((tmp_path / "run" / "done.json").read_text())["rolled_back"] == ["a"]
    again = model(adapter)
    _go_to_end(settings, again, tmp_path / "run")
    pairs = zip(again.trainable(), held.trainable(), strict=True)
    assert all(torch.equal(one, two) for (_, one), (_, two) in pairs)


def test_weights_taken_back_after_bad_steps_leave_the_part_at_its_best(tmp_path, rolled):
    """The checkpoint that they go back to is from before the task left."""
    gone = next(what.step for what in rolled[2] if isinstance(what, Event))

    def spoil(held, step):
        if step == gone + 1:  # the next three steps are not finite
            with torch.no_grad():
                next(iter(held.private.of("b")))[0, 0] = float("nan")

    _, seen, final, held, _ = go(tmp_path / "run", rule(), corrupt=spoil)
    kinds = [what.kind for what in seen if isinstance(what, Event)]
    assert kinds[:6] == ["task_done", "task_rolled_back", *["skipped"] * 3, "rolled_back"]
    back = next(w for w in seen if isinstance(w, Event) and w.kind == "rolled_back")
    assert int(back.text.split("step ")[1].split()[0]) < gone
    best = best_of(rolled[2], "a")[0]
    assert final["a"] == best
    # Not only at the end, where a stage takes its best: in between too.
    after = [w.scores["a"] for w in seen[seen.index(back) :] if isinstance(w, Validation)]
    assert after
    assert set(after) == {best}
    # That checkpoint had moments of the part; they are forgotten again.
    last = newest_checkpoint(tmp_path / "run" / "checkpoints")
    own = {id(p) for p in held.private.of("a")}
    names = [name for name, p in held.trainable() if id(p) in own]
    assert names
    assert not any(f"exp_avg/{name}" in last.moments for name in names)


def test_checkpoints_of_other_stages_hold_no_such_part(kept):
    last = load_checkpoint(kept[0] / "checkpoints", STEPS)
    assert not any(name.startswith("best_part") for name in last.moments)
