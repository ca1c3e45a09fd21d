"""The recipe that goes on from a finished run with new tasks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from madrigal.recipe.balance import BalancerSettings, Mean
from madrigal.recipe.schema import Recipe, StartFrom, retained_onward
from madrigal.recipe.stage import Proportional, StageSettings, Weights
from madrigal.recipe.task import DataSettings, TaskSettings

STAGE = "extend"


def extended(
    given: Recipe,
    run: Path,
    learned: Sequence[str],
    new: Mapping[str, Path],
    name: str,
    balance: BalancerSettings | None = None,
) -> Recipe:
    """One more stage after a run of `given`: the new tasks, under the retention of its last stage.

    Model, tasks and measuring are those of the run, and the stage is its last one with other tasks:
    its length, batch, optimiser and balancer, or the one given. Where it kept nothing a tenth of
    the old tasks is replayed. What the run taught is described again, to be scored before and
    after.
    """
    tasks = {task: given.tasks[task] for task in (*learned, *given.evaluate.general)}
    tasks |= {task: TaskSettings(data=DataSettings(train=str(p))) for task, p in new.items()}
    return given.model_copy(
        update={
            "name": name,
            "start_from": StartFrom(run=str(run), learned=tuple(learned)),
            "tasks": tasks,
            "stages": (_stage(given.stages[-1], tuple(new), balance),),
            "evaluate": given.evaluate.model_copy(update={"base": True}),
        }
    )


def _stage(
    last: StageSettings, tasks: tuple[str, ...], balance: BalancerSettings | None
) -> StageSettings:
    mixture = Proportional() if isinstance(last.mixture, Weights) else last.mixture
    return last.model_copy(
        update={
            "name": STAGE,
            "learn": tasks,
            "mixture": mixture,
            "curriculum": None,
            "balance": balance or _balance(last.balance),
            "retain": retained_onward(last),
            "objective": {},
        }
    )


def _balance(former: BalancerSettings) -> BalancerSettings:
    """The former stage's, but for one that speaks of its tasks by name."""
    named = ("weights", "ideal", "lowest")
    return Mean() if any(getattr(former, key, None) for key in named) else former
