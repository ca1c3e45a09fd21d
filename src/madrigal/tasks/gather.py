"""What judged answers need beside their format: joined prompts, one scale, names of annotators."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from madrigal.errors import DataError
from madrigal.recipe.task import TaskSettings
from madrigal.tasks.bad import CURE
from madrigal.tasks.formats.base import Draft
from madrigal.tasks.join import joined
from madrigal.tasks.record import Record
from madrigal.tasks.task import Split
from madrigal.tasks.template import field_names

# So many verdicts, and none for the second answer, are no accident.
_MANY = 20


def check_keys(task: str, settings: TaskSettings, drafts: Sequence[Draft]) -> None:
    """Refuse keys that would have no effect on judged answers, or a wrong one."""
    for key in ("answer", "labels"):
        if getattr(settings, key) is not None:
            raise DataError(
                f"tasks.{task}.{key}: the data holds judged answers, which stand as they are; "
                "leave it out, or name another format in `data.format`"
            )
    alone = next((draft for draft in drafts if not draft.turns and not draft.problem), None)
    if alone is None:
        return
    if settings.prompt is not None and not field_names(settings.prompt):
        raise DataError(
            f"tasks.{task}.prompt: {alone.where} was judged without a prompt, and this one is the "
            "same for all; name a field in it, or leave it out"
        )
    if settings.system is not None and settings.prompt is None:
        raise DataError(
            f"tasks.{task}.system: {alone.where} was judged without a prompt; give a `prompt` too, "
            "or leave it out"
        )


def check_named(draft: Draft, settings: TaskSettings) -> None:
    """DataError where people are to be weighed and it is not known who judged."""
    if draft.feedback is None or settings.feedback is None:
        return
    how = settings.feedback.aggregate
    if how != "mean" and not all(one.annotator for one in draft.feedback.judgements):
        raise DataError(
            f"{draft.where}: a judgement without annotator, and `aggregate: {how}` weighs people; "
            f"add a field 'annotator', or take `aggregate: mean`{CURE}"
        )


def gathered(
    task: str, records: Mapping[Split, Sequence[Record]], join: bool = True
) -> tuple[Mapping[Split, Sequence[Record]], tuple[str, ...]]:
    """Judged rows with `join` as one record a prompt, ratings with their scale; and what to say.

    DataError where all ratings are the same and no scale is named.
    """
    notes: list[str] = []
    low, high = _ends(records)
    if low is not None and high is not None:
        if low == high:
            raise DataError(
                f"tasks.{task}.feedback: all ratings are {low:g}, so nothing is said by them; name "
                "their `scale`, [lowest, highest]"
            )
        records = {split: [_scaled(r, low, high) for r in some] for split, some in records.items()}
        notes.append(
            f"ratings go from {low:g} to {high:g} in the data, which is taken as their scale; if "
            "it is wider, write `feedback.scale`"
        )
    found: dict[Split, Sequence[Record]] = {
        split: joined(some) if join else some for split, some in records.items()
    }
    rows, kept = (sum(map(len, some.values())) for some in (records, found))
    if kept < rows:
        notes.append(f"{rows:,} judged rows are {kept:,} records: what belongs together is joined")
    notes += _one_sided(found)
    return found, tuple(notes)


def _values(record: Record) -> Iterator[float]:
    if record.feedback is not None:
        for judgement in record.feedback.judgements:
            yield from (value for value in judgement.values if value is not None)


def _ends(records: Mapping[Split, Sequence[Record]]) -> tuple[float | None, float | None]:
    """The lowest and highest rating of the records without a scale; None where all have one."""
    found = [
        value for some in records.values() for r in some if _unscaled(r) for value in _values(r)
    ]
    return (min(found), max(found)) if found else (None, None)


def _unscaled(record: Record) -> bool:
    said = record.feedback
    return said is not None and said.kind == "rating" and said.scale is None


def _scaled(record: Record, low: float, high: float) -> Record:
    if record.feedback is None or not _unscaled(record):
        return record
    return replace(record, feedback=replace(record.feedback, scale=(low, high)))


def _one_sided(records: Mapping[Split, Sequence[Record]]) -> list[str]:
    """A warning where 0 and 1 may have been read as tie and first answer, but mean the answers."""
    said = [
        judgement.values
        for some in records.values()
        for record in some
        if record.feedback is not None and record.feedback.kind in ("pair", "verdict")
        for judgement in record.feedback.judgements
    ]
    first = sum(values == (1.0, 0.0) for values in said)
    ties = sum(values == (0.5, 0.5) for values in said)
    if first + ties < len(said) or min(first, ties) < _MANY:
        return []
    return [
        f"{ties:,} ties, {first:,} times the first answer and never the second: if 0 and 1 stand "
        "for the two answers, call them response_0 and response_1 in `columns`"
    ]
