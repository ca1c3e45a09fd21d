"""Judged answers of any kind, as `madrigal` itself writes them.

A row holds `feedback` (the kind), maybe a `prompt`, the `answers`, and `judgements`. Each of these
has `values` (one for each answer, higher is better, null where it was not judged) and maybe
`annotator`, `aspect`, `shown`, `people` and, of two answers, `chance` (from 0 to 1, that the first
is better); beside them stand maybe `margin`, `scale`, `comment`.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, get_args

from madrigal.errors import DataError
from madrigal.recipe.task import FeedbackSettings, InstructionSettings
from madrigal.tasks.bad import CURE
from madrigal.tasks.feedback import ALONE, Feedback, FeedbackKind, Judgement
from madrigal.tasks.formats.asked import asked, prompted
from madrigal.tasks.formats.base import Draft, Format, has, need, optional
from madrigal.tasks.formats.judged import answers_of, draft, margin_of, number, scale_of
from madrigal.tasks.row import Row, quoted
from madrigal.tasks.template import unknown_field

_KINDS: Mapping[str, FeedbackKind] = {kind: kind for kind in get_args(FeedbackKind)}


def judgements(settings: FeedbackSettings) -> Format:
    """The format with these settings."""
    shape = "feedback, answers, judgements: [{values}]"
    return Format("judgements", shape, _matches, partial(_drafts, settings))


def _matches(row: Row) -> bool:
    judged = row.values.get("judgements")
    return has(row, "feedback", "answers") and isinstance(judged, list)


def _drafts(settings: FeedbackSettings, row: Row, _: InstructionSettings) -> list[Draft]:
    for name in ("feedback", "answers", "judgements"):
        if name not in row.values:
            raise DataError(f"{row.where}: {unknown_field(name, row.values)}")
    kind = _KINDS.get(need(row, "feedback"))
    if kind is None:
        raise DataError(
            f"{row.where}: field 'feedback' is '{need(row, 'feedback')}'; it must be one of "
            f"{quoted(_KINDS)}"
        )
    answers = answers_of(row, "answers")
    judged = row.values["judgements"]
    if not isinstance(judged, list) or not judged:
        raise DataError(f"{row.where}: field 'judgements' holds no judgement{CURE}")
    feedback = Feedback(
        kind,
        answers,
        tuple(_judgement(row, one, len(answers)) for one in judged),
        margin=margin_of(row),
        scale=scale_of(row, settings.scale),
        comment=optional(row, "comment"),
    )
    turns, problem = asked(row) if prompted(row) or kind not in (*ALONE, "correction") else ((), "")
    return [draft(row, turns, feedback, problem=problem)]


def _judgement(row: Row, value: Any, count: int) -> Judgement:
    if not isinstance(value, Mapping) or not isinstance(value.get("values"), list):
        raise DataError(f"{row.where}: each of 'judgements' must be an object with 'values'")
    said = Row(row.file, f"{row.where}: a judgement", value)
    values = tuple(
        None if one is None else number(one, said.where, "values") for one in value["values"]
    )
    if len(values) != count:
        raise DataError(f"{said.where} has {len(values)} values for {count} answers{CURE}")
    if all(one is None for one in values):
        raise DataError(f"{said.where} says nothing{CURE}")
    shown = tuple(int(number(one, said.where, "shown")) for one in value.get("shown") or ())
    if len(set(shown)) < len(shown) or not all(0 <= one < count for one in shown):
        raise DataError(f"{said.where}: 'shown' must hold places of answers, 0 to {count - 1}")
    return Judgement(
        values,
        optional(said, "annotator"),
        optional(said, "aspect"),
        shown,
        int(number(value.get("people", 1), said.where, "people")),
        _chance(value, said.where, count),
    )


def _chance(value: Mapping[str, Any], where: str, count: int) -> float | None:
    if value.get("chance") is None:
        return None
    chance = number(value["chance"], where, "chance")
    if count != 2 or not 0 <= chance <= 1:
        raise DataError(
            f"{where}: 'chance' must be from 0 to 1, that the first of two answers is better{CURE}"
        )
    return chance


JUDGEMENTS = judgements(FeedbackSettings())
