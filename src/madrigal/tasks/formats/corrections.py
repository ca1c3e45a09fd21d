"""Corrections: a text as it was, as somebody mended it, and maybe a comment and a prompt."""

from madrigal.errors import DataError
from madrigal.recipe.task import InstructionSettings
from madrigal.tasks.bad import CURE
from madrigal.tasks.feedback import Feedback, Judgement
from madrigal.tasks.formats.asked import asked, prompted
from madrigal.tasks.formats.base import Draft, Format, first_of, has, optional
from madrigal.tasks.formats.judged import annotator_of, answer_of, draft
from madrigal.tasks.row import Row
from madrigal.tasks.template import unknown_field

_CORRECTED = ("corrected", "correction")


def _matches(row: Row) -> bool:
    known = has(row, "original") and first_of(row, _CORRECTED) is not None
    return known and "completion" not in row.values


def _drafts(row: Row, _: InstructionSettings) -> list[Draft]:
    corrected = first_of(row, _CORRECTED)
    if corrected is None or "original" not in row.values:
        missing = "original" if corrected else "corrected"
        raise DataError(f"{row.where}: {unknown_field(missing, row.values)}")
    names = ("original", corrected)
    answers = (answer_of(row, names[0]), answer_of(row, names[1]))
    if answers[0].strip() == answers[1].strip() and answers[0].strip():
        raise DataError(f"{row.where}: '{corrected}' is the same as 'original'{CURE}")
    turns = asked(row)[0] if prompted(row) else ()
    feedback = Feedback(
        "correction",
        answers,
        (Judgement((0.0, 1.0), annotator_of(row)),),
        comment=optional(row, "comment"),
    )
    return [draft(row, turns, feedback, names)]


CORRECTIONS = Format(
    "corrections", "original, corrected; maybe comment and prompt", _matches, _drafts
)
