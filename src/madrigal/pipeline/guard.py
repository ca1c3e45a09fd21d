"""The guard on forgetting: earlier tasks scored while a stage trains, against its start."""

import json
from collections.abc import Sequence
from pathlib import Path

from madrigal.evaluation.drop import drop, example_scores
from madrigal.evaluation.evaluate import evaluate_task
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.build import Built
from madrigal.recipe.stage import StageSettings
from madrigal.training.files import write_whole
from madrigal.training.guard import Guard
from madrigal.training.lockstep import by_first
from madrigal.training.processes import Processes

FILE = "guard.json"


def guarded_tasks(built: Built, stage: StageSettings) -> tuple[str, ...]:
    """Tasks that were taught before the stage, that it does not learn, and that can be checked."""
    earlier = built.recipe.taught_before(stage)
    return tuple(task for task in earlier if built.tasks[task].splits["validation"])


def forgetting_guard(
    built: Built, stage: StageSettings, model: LanguageModel, folder: Path, processes: Processes
) -> Guard | None:
    """What tells, during the stage, whether too much is forgotten; None where it is not asked.

    The model must be that before the stage. Its scores are kept in `folder`, so that a resumed run
    compares with the same.
    """
    limit = stage.guard.forgetting if stage.guard is not None else None
    tasks = guarded_tasks(built, stage)
    if limit is None or not tasks:
        return None
    path = folder / FILE
    if not processes.from_first(path.exists()):
        held = by_first(processes, model, lambda: _scores(built, model, tasks))
        if processes.first:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(held) + "\n")
    before = processes.from_first(_read(path) if processes.first else None)
    assert before is not None

    def tripped() -> str:
        found = drop(before, _scores(built, model, tasks))
        if found.low <= limit:
            return ""
        return (
            f"Forgetting: {_named(tasks)} lost {found.mean:.3f} of their validation score since "
            f"the stage began, surely more than {limit:g} (at least {found.low:.3f}); most of all "
            f"{found.worst}, {found.tasks[found.worst]:.3f}."
        )

    assert stage.guard is not None
    return Guard(tripped, stage.guard.then == "roll_back")


def _named(tasks: Sequence[str]) -> str:
    return tasks[0] if len(tasks) == 1 else f"{len(tasks)} earlier tasks"


def _read(path: Path) -> dict[str, dict[str, float]]:
    return json.loads(path.read_text(encoding="utf-8"))


def _scores(
    built: Built, model: LanguageModel, tasks: Sequence[str]
) -> dict[str, dict[str, float]]:
    tokens = built.recipe.evaluate.batch_tokens
    held = {name: built.tasks[name] for name in tasks}
    return {
        name: example_scores(
            evaluate_task(model, built.coder, task, task.splits["validation"], tokens)
        )
        for name, task in held.items()
    }
