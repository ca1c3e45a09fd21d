"""Tasks of an earlier run whose training files are gone: what can still be done with them."""

import json
from collections.abc import Sequence
from pathlib import Path

from madrigal.errors import DataError, RunFolderError
from madrigal.evaluation.prediction import Prediction, read_predictions
from madrigal.pipeline.carried import carried_over
from madrigal.pipeline.folder import RunFolder
from madrigal.pipeline.former import last_label
from madrigal.recipe.load import LoadedRecipe
from madrigal.recipe.task import Paths, TaskSettings
from madrigal.tasks.find import find_files
from madrigal.tasks.load import as_set, load_task
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.task import Task


def remembered(loaded: LoadedRecipe) -> dict[str, Task]:
    """Those that no stage here learns and whose training files are gone, without training examples.

    Their test examples are those that the earlier run was scored on, as its predictions tell them;
    where these tell too little (raw text, several turns, judged answers), those of the test file.

    Raises:
        DataError: the recipe's retention needs the training examples, or the test examples are gone
            too.
    """
    recipe = loaded.recipe
    learnt = {task for stage in recipe.stages for task in stage.learn}
    asked = [task for task in recipe.before() if task not in learnt]
    gone = {t: p for t in asked if (p := recipe.tasks[t].data.train) and _missing(p, loaded.root)}
    if not gone:
        return {}
    wanting = carried_over(loaded).wanting(recipe)
    needed = [task for task in gone if task in wanting]
    if needed:
        kinds = " and ".join(sorted({f"`{wanting[task]}`" for task in needed}))
        raise DataError(
            f"tasks.{needed[0]}.data.train: {_said([gone[task] for task in needed])} gone, and "
            f"{kinds} needs training examples of {', '.join(needed)}, of which the earlier run "
            "kept none; put the data back, or retain by what needs none of it, as `distill`"
        )
    return {task: _task(loaded, task, path) for task, path in gone.items()}


def _missing(paths: Paths, root: Path) -> bool:
    try:
        find_files(paths, root)
    except DataError:
        return True
    return False


def _said(paths: Sequence[Paths]) -> str:
    names = [one for path in paths for one in ((path,) if isinstance(path, str) else path)]
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"


def _task(loaded: LoadedRecipe, name: str, train: Paths) -> Task:
    settings = loaded.recipe.tasks[name]
    found = _from_predictions(loaded, name, settings)
    if found is not None:
        return found
    if not settings.data.test or _missing(settings.data.test, loaded.root):
        raise DataError(
            f"tasks.{name}.data: {_said([train])} gone, and the test examples with it; put the "
            "data back, or name a `test` file"
        )
    lean = settings.data.model_copy(update={"train": None})
    if lean.validation and _missing(lean.validation, loaded.root):
        lean = lean.model_copy(update={"validation": None})
    lean_settings = settings.model_copy(update={"data": lean})
    return load_task(name, lean_settings, loaded.root, loaded.recipe.seed)


def _from_predictions(loaded: LoadedRecipe, name: str, settings: TaskSettings) -> Task | None:
    """The task by what its former scores were made of; None where that is not all of it."""
    start = loaded.recipe.start_from
    assert start is not None
    folder = RunFolder(loaded.root / start.run)
    try:
        rows = read_predictions(folder.predictions(last_label(folder.path, start.stage), name))
        metric = json.loads(folder.scores.read_text(encoding="utf-8"))["tasks"][name]["metric"]
    except (RunFolderError, OSError, ValueError, LookupError, TypeError):
        return None
    records = [_record(row, settings.cluster) for row in rows]
    whole = all(row.id.startswith(r.key) for row, r in zip(rows, records, strict=True))
    if not rows or not whole:
        return None
    choices = {record.choices for record in records}
    return Task(
        name=name,
        kind=rows[0].kind,
        metric=metric,
        splits={"train": (), "validation": (), "test": tuple(records)},
        labels=records[0].choices if len(choices) == 1 else (),
        cluster=settings.cluster,
        notes=("its files are gone: the test examples are those of the earlier run's predictions",),
        counts={"train": 0, "validation": 0, "test": len(records)},
        **as_set(settings),
    )


def _record(row: Prediction, cluster: str | None) -> Record:
    return Record(
        where=row.where,
        turns=(Turn("user", row.prompt),),
        answers=row.targets,
        choices=tuple(row.choices or ()),
        fields={cluster: row.cluster} if cluster else {},
    )
