"""From rows to records: the format reads them, then labels and templates are applied."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from madrigal.errors import DataError
from madrigal.recipe.task import TaskSettings
from madrigal.tasks import gather
from madrigal.tasks.bad import BadRows
from madrigal.tasks.formats.base import Draft, Format
from madrigal.tasks.labels import Labels, resolve_labels
from madrigal.tasks.prepare import prepare
from madrigal.tasks.record import Record
from madrigal.tasks.row import Row, quoted
from madrigal.tasks.task import Kind, Split

Drafts = Mapping[Split, Sequence[tuple[Row, Draft]]]


@dataclass(frozen=True, slots=True)
class Understood:
    """Records by split as the user gave them, not yet divided."""

    kind: Kind
    records: Mapping[Split, Sequence[Record]]
    labels: tuple[str, ...]  # the choices that all records share; empty if there are none
    notes: tuple[str, ...]
    bad: int = 0  # rows that were dropped because they could not be read
    dropped: tuple[str, ...] = ()  # what was wrong with each of them


def understand(
    task: str,
    settings: TaskSettings,
    shape: Format,
    rows: Mapping[Split, Sequence[Row]],
    join: bool = True,
) -> Understood:
    """Every row as a record. DataError with the mistakes of all rows, unless they are dropped.

    With `join`, judged rows that belong together are one record.
    """
    bad = BadRows(settings.data.on_bad == "drop")
    drafts, notes = _drafts(settings, shape, rows, bad)
    flat = [draft for some in drafts.values() for _, draft in some]
    none = (
        f"tasks.{task}.data: without the bad rows none is left; correct some, or name other files"
    )
    bad.settle(len(flat), none)
    if not flat:
        raise DataError(f"tasks.{task}.data: the files hold no examples")
    _check_keys(task, settings, flat)
    labels = _labels(task, settings, drafts)
    records = _records(settings, labels, drafts, bad)
    bad.settle(sum(map(len, records.values())), none)
    kind = _kind(flat, labels)
    more = tuple(_new_labels(drafts)) if labels is not None else ()
    if kind == "feedback":
        records, more = gather.gathered(task, records, join)
    return Understood(
        kind,
        records,
        _shared_choices(records),
        (
            *((bad.note,) if bad.count else ()),
            *(f"{count} {note}" for note, count in notes.items()),
            *more,
        ),
        bad.count,
        bad.all,
    )


def _kind(flat: Sequence[Draft], labels: Labels | None) -> Kind:
    if flat[0].feedback is not None:
        return "feedback"
    if flat[0].text:
        return "text"
    return "choice" if labels is not None or any(draft.choices for draft in flat) else "answer"


def _drafts(
    settings: TaskSettings, shape: Format, rows: Mapping[Split, Sequence[Row]], bad: BadRows
) -> tuple[Drafts, Counter[str]]:
    """What the format makes of the rows, and how often it had something to say about them."""
    notes: Counter[str] = Counter()
    drafts: dict[Split, list[tuple[Row, Draft]]] = {}
    for split, some in rows.items():
        drafts[split] = []
        for row in some:
            try:
                found = shape.drafts(row, settings.instruction)
                for draft in found:
                    gather.check_named(draft, settings)
            except DataError as error:
                bad.add(row.where, row.file, error)
                continue
            notes.update(draft.note for draft in found if draft.note)
            drafts[split] += [(row, draft) for draft in found if not draft.left_out]
    return drafts, notes


def _check_keys(task: str, settings: TaskSettings, flat: Sequence[Draft]) -> None:
    """Refuse keys that would have no effect on this kind of data."""
    if flat[0].feedback is not None:
        gather.check_keys(task, settings, flat)
        return
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
    settings: TaskSettings, labels: Labels | None, drafts: Drafts, bad: BadRows
) -> Mapping[Split, Sequence[Record]]:
    records: dict[Split, list[Record]] = {}
    for split, some in drafts.items():
        records[split] = []
        for row, draft in some:
            try:
                records[split].append(prepare(draft, settings, labels))
            except DataError as error:
                bad.add(row.where, row.file, error)
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
