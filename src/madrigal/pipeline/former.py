"""Runs that a run goes on from: which stage taught a task last, and what the stages kept."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from madrigal.errors import RunFolderError
from madrigal.pipeline.folder import DONE, RunFolder, recipe_of, stage_labels
from madrigal.pipeline.pulls import begun_between
from madrigal.recipe.load import LoadedRecipe
from madrigal.recipe.objective import ObjectiveSettings
from madrigal.recipe.schema import Recipe
from madrigal.recipe.suggest import did_you_mean
from madrigal.training.files import write_whole

TAUGHT = "taught.json"  # in the folder of what is kept of earlier runs
_OBJECTIVE: TypeAdapter[ObjectiveSettings] = TypeAdapter(ObjectiveSettings)


@dataclass(frozen=True, slots=True)
class Former:
    """The stage that taught a task last: `stage` of the run in `run`, counted from 1."""

    objective: ObjectiveSettings
    run: Path
    stage: int


def finished_stages(run: Path, recipe: Recipe) -> list[str]:
    """Labels of the stages of a run that are over."""
    labels = stage_labels(recipe)
    return [label for label in labels if (run / "stages" / label / DONE).is_file()]


def last_label(run: Path, stage: str | None = None) -> str:
    """Label of a run's last finished stage, or of the stage named.

    Raises:
        RunFolderError: no such stage, or it has not finished.
    """
    done = finished_stages(run, recipe_of(run).recipe)
    if not done:
        raise RunFolderError(f"{run}: no stage has finished; go on with `madrigal run --resume`")
    names = {name: label for label in done for name in (label, label.partition("-")[2])}
    if stage is not None and stage not in names:
        raise RunFolderError(f"{run}: no finished stage {stage!r}{did_you_mean(stage, names)}")
    return names[stage] if stage is not None else done[-1]


def taught_before(loaded: LoadedRecipe) -> dict[str, Former]:
    """Of every task that was taught before a run's first stage; nothing where it begins anew.

    Raises:
        RunFolderError: the run that it goes on from is none, or one before that is gone.
    """
    start = loaded.recipe.start_from
    if start is None or not start.learned:
        return {}
    found = _taught(loaded.root / start.run, start.stage)
    return {task: found[task] for task in loaded.recipe.before() if task in found}


def objectives(taught: Mapping[str, Former]) -> dict[str, ObjectiveSettings]:
    """By which each task was trained last."""
    return {task: former.objective for task, former in taught.items()}


def _taught(run: Path, last: str | None) -> dict[str, Former]:
    """Of every task of a run, until the end of a stage named; left out: of all."""
    loaded = recipe_of(run)
    noted = RunFolder(run).before / TAUGHT
    found = dict(_read(noted) if noted.is_file() else taught_before(loaded))
    for number, (label, stage) in enumerate(
        zip(stage_labels(loaded.recipe), loaded.recipe.stages, strict=True), 1
    ):
        for task in loaded.recipe.scored(stage.learn):
            found[task] = Former(stage.remembered_by(task), run.resolve(), number)
        if last in (label, stage.name):
            break
    return found


def write_taught(folder: RunFolder, taught: Mapping[str, Former]) -> None:
    """Note them in a run's own folder, which may outlive the runs before it."""
    body = {
        task: {"objective": one.objective.model_dump(), "run": str(one.run), "stage": one.stage}
        for task, one in taught.items()
    }
    folder.before.mkdir(parents=True, exist_ok=True)
    write_whole(folder.before / TAUGHT, json.dumps(body, indent=1) + "\n")


def _read(path: Path) -> dict[str, Former]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        return {
            task: Former(
                _OBJECTIVE.validate_python(one["objective"]), Path(one["run"]), int(one["stage"])
            )
            for task, one in body.items()
        }
    except (
        OSError,
        ValueError,
        ValidationError,
        LookupError,
        TypeError,
        AttributeError,
    ) as problem:
        raise RunFolderError(
            f"{path}: is damaged, so nobody knows how earlier runs taught their tasks; take "
            "another run"
        ) from problem


@dataclass(frozen=True, slots=True)
class KeptStage:
    """What a stage kept lies in `folder`; it taught `tasks`. A later stage of its run, `begun`, may
    have begun the adapter that the run ended with."""

    folder: Path
    tasks: tuple[str, ...]
    begun: str | None = None


def kept_stages(loaded: LoadedRecipe, label: str, kept: str) -> list[KeptStage]:
    """Of the run that a run goes on from, in order up to the stage `label`, with what that run
    kept of earlier ones in front. `kept` is the name of the folder."""
    assert loaded.recipe.start_from is not None
    run = loaded.root / loaded.recipe.start_from.run
    folder, theirs = RunFolder(run), recipe_of(run).recipe
    places = [(folder.before / kept, theirs.before())] if theirs.before() else []
    first = 1 - len(places)  # 0: what was kept before the first stage
    last = stage_labels(theirs).index(label) + 1
    places += [
        (folder.stage(number, stage.name) / kept, theirs.scored(stage.learn))
        for number, stage in enumerate(theirs.stages[:last], 1)
    ]
    return [
        KeptStage(place, tasks, begun_between(theirs, number, last))
        for number, (place, tasks) in enumerate(places, first)
    ]
