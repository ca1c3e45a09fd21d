"""Thumbs up and down: a prompt, an answer, and whether it was good.

`label` is true or false (as in TRL's unpaired data); or `thumb`, `thumbs`, `thumbs_up` or `liked`
says it by true, 1, up, good or yes, and the other way round.
"""

from madrigal.errors import DataError
from madrigal.recipe.task import InstructionSettings
from madrigal.tasks.bad import CURE
from madrigal.tasks.feedback import Feedback, Judgement
from madrigal.tasks.formats.asked import asked, prompted
from madrigal.tasks.formats.base import Draft, Format, first_of, scalar
from madrigal.tasks.formats.judged import annotator_of, answer_of, draft
from madrigal.tasks.row import Row
from madrigal.tasks.template import unknown_field

_ANSWERS = ("completion", "response", "answer", "output", "reply")
_THUMBS = ("thumb", "thumbs", "thumbs_up", "liked")
_WORDS = {
    **dict.fromkeys(("true", "1", "up", "good", "yes", "+1", "👍"), 1.0),
    **dict.fromkeys(("false", "0", "down", "bad", "no", "-1", "👎"), 0.0),
}


def _matches(row: Row) -> bool:
    if first_of(row, _ANSWERS) is None or not prompted(row):
        return False
    label = isinstance(row.values.get("label"), bool) and "completion" in row.values
    return label or ("completion" not in row.values and first_of(row, _THUMBS) is not None)


def _drafts(row: Row, _: InstructionSettings) -> list[Draft]:
    name = first_of(row, _ANSWERS)
    if name is None:
        raise DataError(f"{row.where}: {unknown_field('completion', row.values)}")
    turns, problem = asked(row)
    thumb = first_of(row, (*_THUMBS, "label"))
    if thumb is None:
        raise DataError(f"{row.where}: {unknown_field('label', row.values)}")
    said = str(scalar(row.values[thumb])).strip().lower()
    if said not in _WORDS:
        raise DataError(f"{row.where}: field '{thumb}' is '{said}'; it must be true or false{CURE}")
    judgement = Judgement((_WORDS[said],), annotator_of(row))
    feedback = Feedback("thumb", (answer_of(row, name),), (judgement,))
    return [draft(row, turns, feedback, (name,), problem)]


THUMBS = Format("thumbs", "prompt, completion, label: true or false", _matches, _drafts)
