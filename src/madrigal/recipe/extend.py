"""The recipe that goes on from a finished run with new tasks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from madrigal.recipe.balance import Mean
from madrigal.recipe.retain import Merge, OLora, Replay, RetentionSettings
from madrigal.recipe.schema import Recipe, StartFrom
from madrigal.recipe.stage import Proportional, StageSettings, Weights
from madrigal.recipe.task import DataSettings, TaskSettings

STAGE = "extend"


def extended(
    given: Recipe, run: Path, learned: Sequence[str], new: Mapping[str, Path], name: str
) -> Recipe:
    """One more stage after a run of `given`: the new tasks, under the retention of its last stage.

    Model, tasks and measuring are those of the run, and the stage is its last one with other tasks:
    its length, batch and optimiser. Where it kept nothing a tenth of the old tasks is replayed, and
    what puts adapters of several stages together is left out. What the run taught is described
    again, to be scored before and after.
    """
    tasks = {task: given.tasks[task] for task in (*learned, *given.evaluate.general)}
    tasks |= {task: TaskSettings(data=DataSettings(train=str(p))) for task, p in new.items()}
    return given.model_copy(
        update={
            "name": name,
            "start_from": StartFrom(run=str(run), learned=tuple(learned)),
            "tasks": tasks,
            "stages": (_stage(given.stages[-1], tuple(new)),),
            "evaluate": given.evaluate.model_copy(update={"base": True}),
        }
    )


def _stage(last: StageSettings, tasks: tuple[str, ...]) -> StageSettings:
    kept = tuple(one for one in last.retain if not isinstance(one, OLora | Merge))
    retain: tuple[RetentionSettings, ...] = kept or (Replay(),)
    mixture = Proportional() if isinstance(last.mixture, Weights) else last.mixture
    return last.model_copy(
        update={
            "name": STAGE,
            "learn": tasks,
            "mixture": mixture,
            "curriculum": None,
            "balance": Mean(),
            "retain": retain,
            "objective": {},
        }
    )
