"""From the data of a recipe to its tasks: read, understood, templated, split."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypedDict

from madrigal.errors import DataError
from madrigal.recipe.schema import Recipe
from madrigal.recipe.task import TaskSettings
from madrigal.tasks.augment import with_augmentation
from madrigal.tasks.cluster import check_cluster, passage_field
from madrigal.tasks.divide import divide
from madrigal.tasks.formats.detect import choose_format
from madrigal.tasks.formats.natural_instructions import has_test_slice
from madrigal.tasks.leakage import without_leakage
from madrigal.tasks.metric import resolve_metric
from madrigal.tasks.row import Row
from madrigal.tasks.select import selections
from madrigal.tasks.shots import with_shots
from madrigal.tasks.sources import read_sources, with_bundled_settings
from madrigal.tasks.task import Task
from madrigal.tasks.understand import understand

NOTHING: Mapping[str, Task] = MappingProxyType({})


def load_tasks(recipe: Recipe, root: Path, known: Mapping[str, Task] = NOTHING) -> dict[str, Task]:
    """Every task of a recipe, in its order. Relative paths start at `root`, the recipe's folder.

    No task trains on what another one holds out, which `evaluate.general` tasks do too. Those in
    `known` are taken as they are.
    DataError with all mistakes of all tasks at once.
    """
    tasks: dict[str, Task] = {}
    mistakes: list[str] = []
    learnt = {name for stage in recipe.stages for name in stage.learn}
    for name, settings in recipe.tasks.items():
        try:
            tasks[name] = known.get(name) or load_task(name, settings, root, recipe.seed)
            if name in learnt and not tasks[name].splits["train"]:
                mistakes.append(f"tasks.{name}.data: no training records, yet a stage learns it")
        except DataError as error:
            mistakes += error.mistakes
    if not mistakes:
        tasks = without_leakage(tasks)
        mistakes = [
            f"tasks.{name}.data: all training records are held out by other tasks: "
            f"{'; '.join(tasks[name].notes[-2:])}; name other training data"
            for name in recipe.tasks
            if name in learnt and not tasks[name].splits["train"]
        ]
    if not mistakes:
        rules = {name: task.data.select for name, task in recipe.tasks.items() if name not in known}
        chosen = {name: rule for name, rule in rules.items() if rule is not None}
        tasks, mistakes = selections(tasks, chosen, recipe.seed)
    tasks, more = _with_shots(tasks, recipe) if not mistakes else (tasks, [])
    mistakes += more
    for name, settings in recipe.tasks.items() if not mistakes else ():
        if settings.augment is not None and name not in known:
            try:
                tasks[name] = with_augmentation(tasks[name], settings.augment, recipe.seed, root)
            except DataError as error:
                mistakes += error.mistakes
    if mistakes:
        # Two tasks of one file would say everything twice.
        raise DataError(dict.fromkeys(mistakes))
    return tasks


def _with_shots(tasks: dict[str, Task], recipe: Recipe) -> tuple[dict[str, Task], list[str]]:
    """The tasks with no more training examples than `shots`, and what is wrong with these."""
    found, mistakes = dict(tasks), []
    for name, settings in recipe.tasks.items():
        if settings.shots is not None:
            try:
                found[name] = with_shots(tasks[name], settings.shots, settings.draw, recipe.seed)
            except DataError as error:
                mistakes += error.mistakes
    return found, mistakes


def load_task(name: str, settings: TaskSettings, root: Path, seed: int) -> Task:
    """One task. DataError with all its mistakes."""
    settings = with_bundled_settings(name, settings)
    sources = read_sources(name, settings.data, root)
    rows = [row for some in sources.rows.values() for row in some]
    shape = choose_format(name, rows, settings)
    read = understand(name, settings, shape, sources.rows)
    test_slice = shape.name == "natural_instructions" and has_test_slice(rows)
    given = [record for some in read.records.values() for record in some]
    passage = passage_field(shape.passages, given)
    divided = divide(name, settings.data, read.records, shape.name, seed, test_slice, passage)
    records = [record for split in divided.splits.values() for record in split]
    check_cluster(name, settings.cluster, records)
    return Task(
        name=name,
        kind=read.kind,
        metric=resolve_metric(settings.metric, read.kind, records, bool(read.labels), name),
        splits=divided.splits,
        labels=read.labels,
        cluster=settings.cluster or passage,
        notes=(*_canary(rows), *read.notes, *divided.notes),
        counts={**divided.counts, **({"bad": read.bad} if read.bad else {})},
        dropped=read.dropped,
        format=shape.name,
        files=sources.files,
        **as_set(settings),
    )


class AsSet(TypedDict):
    """What a task takes over from its settings as it stands there."""

    weight: float
    max_epochs: float | None
    label_smoothing: float
    pull_to_start: float
    normalise_choices: Literal["none", "tokens", "bytes"]
    max_new_tokens: int
    aggregate: Literal["mean", "dawid_skene", "mace"]


def as_set(settings: TaskSettings) -> AsSet:
    """Those settings."""
    return AsSet(
        weight=settings.weight,
        max_epochs=settings.max_epochs,
        label_smoothing=settings.label_smoothing,
        pull_to_start=settings.pull_to_start,
        normalise_choices=settings.normalise_choices,
        max_new_tokens=settings.max_new_tokens,
        aggregate="mean" if settings.feedback is None else settings.feedback.aggregate,
    )


def _canary(rows: Sequence[Row]) -> list[str]:
    files = sorted({row.file for row in rows if "canary" in row.header})
    return [f"{file} carries a canary: its authors ask never to train on it" for file in files]
