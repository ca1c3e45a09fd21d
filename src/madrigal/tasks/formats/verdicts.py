"""Verdicts of a judge, often a model, on two answers, with the order in which they were shown.

`verdict` names the answer that is better (1, 2, a, b, tie), whatever the order; `first` and
`second` mean the one that was shown there. The order stands in `swapped` (true or false), or in
`shown` or `order` (`ba`, [2, 1]), the judge in `judge`. Several verdicts of one row stand in
`verdicts`, a list of such objects; those of several rows on one pair are gathered.
"""

from madrigal.errors import DataError
from madrigal.recipe.task import InstructionSettings
from madrigal.tasks.bad import CURE
from madrigal.tasks.feedback import Feedback, Judgement
from madrigal.tasks.formats.asked import asked
from madrigal.tasks.formats.base import Draft, Format, first_of, scalar
from madrigal.tasks.formats.judged import annotator_of, answer_of, draft
from madrigal.tasks.formats.two_answers import Two, shown, two_of, values
from madrigal.tasks.row import Row
from madrigal.tasks.template import unknown_field

_VERDICTS = ("verdict", "winner", "label", "preference")
_POSITIONS = {"first": 0, "second": 1}


def _matches(row: Row) -> bool:
    if "completion" in row.values or two_of(row) is None:
        return False
    judged = "judge" in row.values and first_of(row, _VERDICTS) is not None
    return judged or "verdict" in row.values or isinstance(row.values.get("verdicts"), list)


def _drafts(row: Row, _: InstructionSettings) -> list[Draft]:
    two = two_of(row)
    if two is None:
        raise DataError(f"{row.where}: {unknown_field('response_1', row.values)}")
    turns, problem = asked(row)
    answers = tuple(answer_of(row, name) for name in two.names)
    judgements = tuple(_verdict(one, two) for one in _verdicts(row))
    return [draft(row, turns, Feedback("verdict", answers, judgements), two.names, problem)]


def _verdicts(row: Row) -> list[Row]:
    """The row itself, or one row for each of its verdicts, with what it says of all."""
    several = row.values.get("verdicts")
    if several is None:
        return [row]
    if not isinstance(several, list) or not all(isinstance(one, dict) for one in several):
        raise DataError(f"{row.where}: field 'verdicts' must be a list of objects")
    if not several:
        raise DataError(f"{row.where}: field 'verdicts' holds no verdict{CURE}")
    return [
        Row(row.file, f"{row.where} verdict {number}", {**row.values, **one})
        for number, one in enumerate(several, 1)
    ]


def _verdict(row: Row, two: Two) -> Judgement:
    name = first_of(row, _VERDICTS)
    if name is None:
        raise DataError(f"{row.where}: {unknown_field('verdict', row.values)}")
    order = shown(row, two)
    said = row.values[name]
    position = _POSITIONS.get(str(scalar(said)).strip().lower())
    if position is not None:
        if not order:
            raise DataError(
                f"{row.where}: field '{name}' says which position won, and not which answer stood "
                "there; add 'swapped' (true or false) or 'shown', or name the answer"
            )
        said = two.ends[order[position]]
    return Judgement(values(said, two, row.where, name), annotator_of(row), shown=order)


VERDICTS = Format("verdicts", "response_1, response_2 + verdict, judge, swapped", _matches, _drafts)
