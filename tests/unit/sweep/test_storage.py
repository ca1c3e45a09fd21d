"""Several machines share a data base: no trial twice, every machine sees all."""

from dataclasses import replace

import pytest

import swept
from madrigal.errors import RunFolderError, UserMistake
from madrigal.recipe.load import load_recipe
from madrigal.sweep.aim import Aim
from madrigal.sweep.draw import points
from madrigal.sweep.folder import SweepFolder
from madrigal.sweep.knob import Range
from madrigal.sweep.plan import Plan

pytest.importorskip("optuna")

KNOB = Range("stages.0.steps", 1, 40, whole=True)
FIRST = {KNOB.key: 2}


@pytest.fixture
def plan(tmp_path):
    swept.write(tmp_path)
    recipe = tmp_path / "recipe.yaml"
    return Plan(recipe, (), load_recipe(recipe), (KNOB,), Aim("a"), 7, "random", 1, "validation")


@pytest.fixture
def machine(plan, tmp_path):
    """A ledger as a process on a machine would open it."""
    from madrigal.sweep.storage import StorageLedger

    url = f"sqlite:///{tmp_path}/sweep.db"
    return lambda name, of=plan: StorageLedger(of, FIRST, SweepFolder(tmp_path / name), url, None)


def scored(trial):
    value = float(trial.values[KNOB.key])
    ends = {"a": {"value": value, "low": None, "high": None}}
    return replace(trial, state="finished", scores=ends)


def test_no_machine_takes_what_another_took(plan, machine):
    one, two = machine("one"), machine("two")
    taken = []
    while True:
        new = [ledger.next([]) for ledger in (one, two)]
        new = [(ledger, t) for ledger, t in zip((one, two), new, strict=True) if t is not None]
        if not new:
            break
        for ledger, trial in new:
            taken.append(trial.number)
            ledger.tell(scored(trial))
    assert sorted(taken) == list(range(plan.trials))
    assert one.trials() == two.trials()
    assert [t.values for t in one.trials()] == points((KNOB,), plan.seed, plan.trials, FIRST)


def test_a_machine_that_was_killed_goes_on_with_its_own(machine):
    begun = machine("one").next([])
    assert machine("two").next([]).number == 1
    again = machine("one")
    assert again.next([]) == begun
    again.tell(scored(begun))
    assert again.next([]).number == 2
    assert machine("two").trials()[0].state == "finished"


def test_a_failed_trial_stays_failed(machine):
    ledger = machine("one")
    ledger.tell(replace(ledger.next([]), state="failed", why="stopped: no"))
    assert ledger.trials()[0].why == "stopped: no"
    assert ledger.next([]).number == 1
    with pytest.raises(UserMistake, match="--retry-failed: has no effect with --storage"):
        ledger.forget_failed()


def test_the_data_base_holds_one_sweep_of_a_name(plan, machine):
    machine("one").next([])
    with pytest.raises(RunFolderError, match="holds a sweep 'tiny' with another seed; give what"):
        machine("two", replace(plan, seed=5))


def test_a_data_base_that_cannot_be_opened(plan, tmp_path):
    from madrigal.sweep.storage import StorageLedger

    with pytest.raises(UserMistake, match=r"--storage nowhere: cannot be opened: .*; write a URL"):
        StorageLedger(plan, FIRST, SweepFolder(tmp_path), "nowhere", None)
