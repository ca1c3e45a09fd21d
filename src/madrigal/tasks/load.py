"""From the data of a recipe to its tasks: read, understood, templated, split."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from madrigal.errors import DataError
from madrigal.recipe.schema import Recipe
from madrigal.recipe.task import TaskSettings
from madrigal.tasks.divide import divide
from madrigal.tasks.formats.base import Draft, Format
from madrigal.tasks.formats.detect import choose_format
from madrigal.tasks.labels import Labels, resolve_labels
from madrigal.tasks.metric import resolve_metric
from madrigal.tasks.prepare import prepare
from madrigal.tasks.record import Record
from madrigal.tasks.row import Mistakes, Row, quoted
from madrigal.tasks.sources import read_sources, with_bundled_settings
from madrigal.tasks.task import Kind, Split, Task


def load_tasks(recipe: Recipe, root: Path) -> dict[str, Task]:
    """Every task of a recipe, in its order. Relative paths start at `root`, the recipe's folder.

    DataError with all mistakes of all tasks at once.
    """
    tasks: dict[str, Task] = {}
    mistakes: list[str] = []
    learnt = {name for stage in recipe.stages for name in stage.learn}
    for name, settings in recipe.tasks.items():
        try:
            task = load_task(name, settings, root, recipe.seed)
            if name in learnt and not task.splits["train"]:
                mistakes.append(
                    f"tasks.{name}.data: no training records are left, yet a stage learns it"
                )
            tasks[name] = task
        except DataError as error:
            mistakes += error.mistakes
    if mistakes:
        raise DataError(dict.fromkeys(mistakes))
    return tasks


def load_task(name: str, settings: TaskSettings, root: Path, seed: int) -> Task:
    """One task. DataError with all its mistakes."""
    settings = with_bundled_settings(name, settings)
    sources = read_sources(name, settings.data, root)
    rows = [row for split in sources.rows.values() for row in split]
    shape = choose_format(rows, settings)
    read = _records(name, settings, shape, sources.rows)
    divided = divide(name, settings.data, read.records, shape.name, seed)
    everything = [record for split in divided.splits.values() for record in split]
    metric = resolve_metric(
        settings.metric, read.kind, everything, bool(read.labels and read.labels.choices), name
    )
    return Task(
        name=name,
        kind=read.kind,
        metric=metric,
        splits=divided.splits,
        labels=_label_words(read, everything),
        weight=settings.weight,
        max_epochs=settings.max_epochs,
        label_smoothing=settings.label_smoothing,
        pull_to_start=settings.pull_to_start,
        normalise_choices=settings.normalise_choices,
        max_new_tokens=settings.max_new_tokens,
        cluster=_cluster(name, settings, everything),
        notes=(*_label_notes(read), *divided.notes),
        counts=divided.counts,
        format=shape.name,
        files=sources.files,
    )


@dataclass(frozen=True, slots=True)
class _Read:
    kind: Kind
    records: Mapping[Split, Sequence[Record]]
    labels: Labels | None
    seen: Mapping[Split, Counter[str]]


def _records(
    name: str,
    settings: TaskSettings,
    shape: Format,
    rows: Mapping[Split, Sequence[Row]],
) -> _Read:
    mistakes = Mistakes()
    drafts = {split: _drafts(some, settings, shape, mistakes) for split, some in rows.items()}
    mistakes.raise_any()
    flat = [draft for some in drafts.values() for _, draft in some]
    kind: Kind = "text" if flat[0].text else "answer"
    if kind == "text":
        _refuse_templates(name, settings)
    seen = {
        split: Counter(raw for _, draft in some for raw in draft.answers)
        for split, some in drafts.items()
    }
    labels = None
    own = any(draft.choices for draft in flat)
    if settings.labels is not None and own:
        raise DataError(f"tasks.{name}.labels: the records bring their own choices; leave it out")
    if settings.labels is not None or flat[0].labelled:
        labels = resolve_labels(settings.labels, set().union(*seen.values()), name)
    records: dict[Split, list[Record]] = {split: [] for split in rows}
    for split, some in drafts.items():
        for row, draft in some:
            try:
                records[split].append(prepare(draft, settings, labels))
            except DataError as error:
                mistakes.add(row.file, error.mistakes)
    mistakes.raise_any()
    if labels is not None or own:
        kind = "choice"
    return _Read(kind, records, labels, seen)


def _drafts(
    rows: Sequence[Row], settings: TaskSettings, shape: Format, mistakes: Mistakes
) -> list[tuple[Row, Draft]]:
    drafts: list[tuple[Row, Draft]] = []
    for row in rows:
        try:
            drafts += [(row, draft) for draft in shape.drafts(row, settings.instruction)]
        except DataError as error:
            mistakes.add(row.file, error.mistakes)
    return drafts


def _refuse_templates(name: str, settings: TaskSettings) -> None:
    given = ("prompt", "answer", "system", "labels")
    wrong = [key for key in given if getattr(settings, key) is not None]
    if wrong:
        raise DataError(
            f"tasks.{name}.{wrong[0]}: raw text has no prompt and no answer; leave it out, or "
            "name the format in `data.format`"
        )


def _label_words(read: _Read, records: Sequence[Record]) -> tuple[str, ...]:
    """The common choices as the model says them; empty where each record brings its own."""
    if read.labels is None or not records:
        return ()
    first = records[0].choices
    return first if all(record.choices == first for record in records) else ()


def _label_notes(read: _Read) -> list[str]:
    if read.labels is None or "test" not in read.seen or "train" not in read.seen:
        return []
    new = sorted(set(read.seen["test"]) - set(read.seen["train"]))
    return [f"labels that only the test records have: {quoted(new)}"] if new else []


def _cluster(name: str, settings: TaskSettings, records: Sequence[Record]) -> str | None:
    field = settings.cluster
    for record in records if field is not None else ():
        if field not in record.fields:
            raise DataError(
                f"tasks.{name}.cluster: {record.where} has no field '{field}'; "
                f"found {quoted(record.fields)}"
            )
    return field
