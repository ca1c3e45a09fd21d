"""What guards a stage: earlier tasks and preferred answers, scored while it trains."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from madrigal.evaluation.drop import drop, example_scores
from madrigal.evaluation.evaluate import evaluate_task
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.build import Built
from madrigal.pipeline.sides import Watched
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


def stage_guard(
    built: Built,
    stage: StageSettings,
    model: LanguageModel,
    folder: Path,
    processes: Processes,
    seen: Watched,
) -> Guard | None:
    """What tells, during the stage, whether too much is lost; None where nothing is asked.

    The model must be that before the stage. `seen` holds its preferences, at the start and after
    every validation.
    """
    asked = stage.guard
    if asked is None:
        return None
    tells: list[Callable[[], str]] = []
    if asked.forgetting is not None and guarded_tasks(built, stage):
        tells.append(_forgetting(built, stage, model, folder, processes, asked.forgetting))
    if asked.chosen is not None and seen.start:
        most = asked.chosen
        tells.append(lambda: seen.fell(most))
    if not tells:
        return None

    def tripped() -> str:
        return next(filter(None, (tell() for tell in tells)), "")

    return Guard(tripped, asked.then == "roll_back")


def _forgetting(
    built: Built,
    stage: StageSettings,
    model: LanguageModel,
    folder: Path,
    processes: Processes,
    limit: float,
) -> Callable[[], str]:
    """Why the stage has to end for what it forgets. The model's scores before it are kept in
    `folder`, so that a resumed run compares with the same."""
    tasks = guarded_tasks(built, stage)
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

    return tripped


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
