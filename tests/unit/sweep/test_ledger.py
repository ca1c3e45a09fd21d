"""Trials are handed out in order, and what they are does not depend on who was faster."""

from dataclasses import replace

import pytest

import swept
from madrigal.recipe.load import load_recipe
from madrigal.sweep.aim import Aim
from madrigal.sweep.folder import SweepFolder
from madrigal.sweep.knob import Range
from madrigal.sweep.ledger import FolderLedger
from madrigal.sweep.plan import Plan

KNOB = Range("stages.0.steps", 1, 40, whole=True)
FIRST = {KNOB.key: 2}


@pytest.fixture
def plan(tmp_path):
    swept.write(tmp_path)
    recipe = tmp_path / "recipe.yaml"
    return Plan(recipe, (), load_recipe(recipe), (KNOB,), Aim("a"), 9, "random", 1, "validation")


def scored(trial):
    """Larger with more steps."""
    value = float(trial.values[KNOB.key])
    return replace(
        trial, state="finished", scores={"a": {"value": value, "low": None, "high": None}}
    )


def propose(number, over, running):
    """Depends on all that it is told."""
    told = sum((i + 1) * t.numbers()["a"] for i, t in enumerate(over))
    return {KNOB.key: int(1 + (told + 7 * number + 13 * len(running)) % 40)}


def run(plan, folder, workers, order, proposing=propose):
    """Values of all trials, where of those that run the one that `order` chooses ends first."""
    ledger = FolderLedger(plan, FIRST, folder, workers, proposing)
    running, step = [], 0
    while True:
        while len(running) < workers:
            trial = ledger.next([one.number for one in running])
            if trial is None:
                break
            running.append(trial)
        if not running:
            return [trial.values for trial in ledger.trials()]
        ledger.tell(scored(running.pop(order(step) % len(running))))
        step += 1


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_it_does_not_matter_which_worker_is_faster(plan, tmp_path, workers):
    first = run(plan, SweepFolder(tmp_path / "a"), workers, lambda _: 0)
    last = run(plan, SweepFolder(tmp_path / "b"), workers, lambda _: -1)
    mixed = run(plan, SweepFolder(tmp_path / "c"), workers, lambda step: step * 7 + 1)
    assert first == last == mixed
    assert len(first) == plan.trials


def test_a_trial_that_was_begun_is_gone_on_with_first(plan, tmp_path):
    folder = SweepFolder(tmp_path / "a")
    begun = FolderLedger(plan, FIRST, folder, 1, propose).next([])
    assert begun is not None
    again = FolderLedger(plan, FIRST, folder, 1, propose)
    assert again.next([]) == begun
    again.tell(scored(begun))
    assert again.next([]).number == 1


def test_what_is_over_is_never_handed_out_again(plan, tmp_path):
    folder = SweepFolder(tmp_path / "a")
    values = run(plan, folder, 1, lambda _: 0)
    ledger = FolderLedger(plan, FIRST, folder, 1, None)
    assert ledger.next([]) is None
    assert [trial.values for trial in ledger.trials()] == values


def test_failed_trials_are_run_again_only_when_asked(plan, tmp_path):
    folder = SweepFolder(tmp_path / "a")
    ledger = FolderLedger(replace(plan, trials=2), FIRST, folder, 1, None)
    ledger.tell(replace(ledger.next([]), state="failed", why="no"))
    ledger.tell(scored(ledger.next([])))
    assert ledger.next([]) is None
    ledger.forget_failed()
    assert ledger.next([]).number == 0


def test_the_first_trial_is_the_recipe(plan, tmp_path):
    assert run(plan, SweepFolder(tmp_path / "a"), 1, lambda _: 0, None)[0] == FIRST
