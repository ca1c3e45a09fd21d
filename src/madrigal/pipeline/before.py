"""A run that goes on from another: its weights, and what later stages ask of what it taught."""

from pathlib import Path

from madrigal.errors import RunFolderError
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.build import Built
from madrigal.pipeline.folder import RunFolder
from madrigal.pipeline.keep import keep
from madrigal.pipeline.parts import step_parts
from madrigal.pipeline.past import KEPT, Past, Tensors
from madrigal.pipeline.routed import has_router
from madrigal.pipeline.shared_start import begin_from, find_start
from madrigal.recipe.stage import StageSettings
from madrigal.training.processes import Processes


def begin(built: Built, model: LanguageModel) -> None:
    """Give the model the weights of the run that the recipe starts from, if it names one.

    That run is only read.

    Raises:
        RunFolderError: it is no finished run, of another model, or it taught no such task.
    """
    settings = built.recipe.start_from
    if settings is None:
        return
    start = find_start(built.root / settings.run, built, settings.stage)
    for task in settings.learned:
        if task not in start.learned:
            raise RunFolderError(
                f"start_from.learned: {settings.run} taught no {task!r} until {start.label}; it "
                f"taught {', '.join(start.learned)}"
            )
    begin_from(model, start)


def keep_before(
    built: Built,
    model: LanguageModel,
    folder: RunFolder,
    processes: Processes,
    start: Tensors | None,
) -> None:
    """Keep what the stages' retention needs of the tasks that were taught before, once."""
    tasks, later = built.recipe.before(), [k for one in built.recipe.stages for k in one.retain]
    needed = later or has_router(built.recipe)
    if not (tasks and needed) or processes.from_first((folder.before / KEPT).is_dir()):
        return
    # As if these tasks had been learnt in a stage of their own, which is over.
    stage = StageSettings(name="before", learn=tasks, steps=1)
    parts = step_parts(built, stage, model, processes, tasks)
    keep(
        built, stage, parts, Past(start=start, later=tuple(later)), _made(folder.before, processes)
    )
    processes.wait()


def _made(folder: Path, processes: Processes) -> Path:
    if processes.first:
        folder.mkdir(parents=True, exist_ok=True)
    return folder
