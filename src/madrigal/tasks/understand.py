"""From rows to records: the format reads them, then labels and templates are applied."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from madrigal.errors import DataError
from madrigal.recipe.task import TaskSettings
from madrigal.tasks.formats.base import Draft, Format
from madrigal.tasks.labels import Labels, resolve_labels
from madrigal.tasks.prepare import prepare
from madrigal.tasks.record import Record
from madrigal.tasks.row import Mistakes, Row, quoted
from madrigal.tasks.task import Kind, Split

Drafts = Mapping[Split, Sequence[tuple[Row, Draft]]]


@dataclass(frozen=True, slots=True)
class Understood:
    """Records by split as the user gave them, not yet divided."""

    kind: Kind
    records: Mapping[Split, Sequence[Record]]
    labels: tuple[str, ...]  # the choices that all records share; empty if there are none
    notes: tuple[str, ...]


def understand(
    task: str, settings: TaskSettings, shape: Format, rows: Mapping[Split, Sequence[Row]]
) -> Understood:
    """Every row as a record. DataError with the mistakes of all rows."""
    drafts, notes = _drafts(settings, shape, rows)
    flat = [draft for some in drafts.values() for _, draft in some]
    if not flat:
        raise DataError(f"tasks.{task}.data: the files hold no examples")
    _check_keys(task, settings, flat)
    labels = _labels(task, settings, drafts)
    records = _records(settings, labels, drafts)
    kind: Kind = "answer"
    if flat[0].text:
        kind = "text"
    elif labels is not None or any(draft.choices for draft in flat):
        kind = "choice"
    return Understood(
        kind,
        records,
        _shared_choices(records),
        (
            *(f"{count} {note}" for note, count in notes.items()),
            *(_new_labels(drafts) if labels is not None else ()),
        ),
    )


def _drafts(
    settings: TaskSettings, shape: Format, rows: Mapping[Split, Sequence[Row]]
) -> tuple[Drafts, Counter[str]]:
    """What the format makes of the rows, and how often it had something to say about them."""
    mistakes = Mistakes()
    notes: Counter[str] = Counter()
    drafts: dict[Split, list[tuple[Row, Draft]]] = {}
    for split, some in rows.items():
        drafts[split] = []
        for row in some:
            try:
                found = shape.drafts(row, settings.instruction)
                notes.update(draft.note for draft in found if draft.note)
                drafts[split] += [(row, draft) for draft in found if not draft.left_out]
            except DataError as error:
                mistakes.add(row.file, error.mistakes)
    mistakes.raise_any()
    return drafts, notes


def _check_keys(task: str, settings: TaskSettings, flat: Sequence[Draft]) -> None:
    """Refuse keys that would have no effect on this kind of data."""
    if flat[0].text:
        keys = ("prompt", "answer", "system", "labels")
        wrong = next((key for key in keys if getattr(settings, key) is not None), None)
        if wrong is not None:
            raise DataError(
                f"tasks.{task}.{wrong}: the data is raw text, which has no prompt and no answer; "
                "leave it out, or name the format in `data.format`"
            )
    with_choices = [draft for draft in flat if draft.choices]
    if settings.labels is not None and with_choices:
        raise DataError(f"tasks.{task}.labels: the records bring their own choices; leave it out")
    if with_choices and len(with_choices) < len(flat):
        bare = next(draft for draft in flat if not draft.choices)
        raise DataError(f"{bare.where}: no choices, though other records have them")


def _labels(task: str, settings: TaskSettings, drafts: Drafts) -> Labels | None:
    flat = [draft for some in drafts.values() for _, draft in some]
    if settings.labels is None and not flat[0].labelled:
        return None
    seen = Counter(raw for draft in flat for raw in draft.answers)
    return resolve_labels(settings.labels, seen, task)


def _records(
    settings: TaskSettings, labels: Labels | None, drafts: Drafts
) -> Mapping[Split, Sequence[Record]]:
    mistakes = Mistakes()
    records: dict[Split, list[Record]] = {}
    for split, some in drafts.items():
        records[split] = []
        for row, draft in some:
            try:
                records[split].append(prepare(draft, settings, labels))
            except DataError as error:
                mistakes.add(row.file, error.mistakes)
    mistakes.raise_any()
    return records


def _shared_choices(records: Mapping[Split, Sequence[Record]]) -> tuple[str, ...]:
    """The labels as the model says them; empty where records have choices of their own."""
    flat = [record for some in records.values() for record in some]
    return flat[0].choices if all(r.choices == flat[0].choices for r in flat) else ()


def _new_labels(drafts: Drafts) -> list[str]:
    train, test = (
        {raw for _, draft in drafts.get(split, ()) for raw in draft.answers}
        for split in ("train", "test")
    )
    new = sorted(test - train)
    return [f"labels that only test records have: {quoted(new)}"] if train and new else []
