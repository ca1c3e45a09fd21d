"""Ratings: numbers that people gave one answer, or each of several, on a scale.

The rated text stands in `answer`, `completion`, `response`, `output` or `text`, several of one row
in `answers`; a prompt may stand before it. `rating` (or `ratings`, `score`, `scores`, `votes`) is a
number, a list of numbers by several people, or a mapping from annotator to number; inside
`ratings: {quality: ...}` each aspect has one of these. For several answers it is a list with one of
these for each, or a mapping from annotator to such a list. Aspects may also be fields of their own,
named by the task's `feedback.aspect`; numbers of votes are named by `feedback.counts`. A field
`system` is not read as a message; the task's `system` may name it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from madrigal.errors import DataError
from madrigal.recipe.task import FeedbackSettings, InstructionSettings
from madrigal.tasks.bad import CURE
from madrigal.tasks.feedback import Feedback, Judgement
from madrigal.tasks.formats.asked import asked, prompted
from madrigal.tasks.formats.base import Draft, Format, first_of
from madrigal.tasks.formats.judged import (
    annotator_of,
    answer_of,
    answers_of,
    draft,
    number,
    scale_of,
)
from madrigal.tasks.formats.rankings import MANY
from madrigal.tasks.row import Row
from madrigal.tasks.template import unknown_field

RATING_FIELDS = ("rating", "ratings", "score", "scores", "votes")
_ONE = ("answer", "completion", "response", "output", "reply", "text")

# What one person said: of each answer a number, or None where it was not rated.
_Said = tuple[str, tuple[float | None, ...]]


def ratings(settings: FeedbackSettings) -> Format:
    """The format with these settings."""
    shape = "answer + rating; or answers + ratings; maybe a prompt"
    return Format("ratings", shape, _matches, partial(_drafts, settings))


def is_fraction(value: Any) -> bool:
    """A number that is not whole, also as text: no label looks like that."""
    if isinstance(value, bool | list | dict) or value is None:
        return False
    try:
        return not float(value).is_integer()
    except ValueError:
        return False


def _matches(row: Row) -> bool:
    values = row.values
    many = next((name for name in MANY if isinstance(values.get(name), list)), None)
    if many is not None:
        return any(isinstance(values.get(name), list | dict) for name in ("ratings", "scores"))
    if first_of(row, _ONE) is None or first_of(row, ("rating", "ratings")) is None:
        return False
    value = values.get("rating", values.get("ratings"))
    if isinstance(value, list | dict):
        return True
    asked_for = prompted(row) and first_of(row, _ONE) != "text"
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return (asked_for and numeric) or ("completion" not in values and is_fraction(value))


def _drafts(settings: FeedbackSettings, row: Row, _: InstructionSettings) -> list[Draft]:
    many = next((name for name in MANY if isinstance(row.values.get(name), list)), None)
    one = first_of(row, _ONE)
    if many is None and one is None:
        raise DataError(f"{row.where}: {unknown_field('answer', row.values)}")
    answers = answers_of(row, many) if many else (answer_of(row, str(one)),)
    count = len(answers)
    judgements = [
        Judgement(values, person, aspect)
        for name, aspect, value in _rated(row, settings, count)
        for person, values in _said(row, name, value, count if many else None, settings)
    ]
    judgements += _counted(row, settings, count)
    if not any(value is not None for one in judgements for value in one.values):
        raise DataError(f"{row.where}: no rating{CURE}")
    # Beside a rating, `system` is more likely the one that wrote the answer than a message to it.
    unsaid = replace(row, values={k: v for k, v in row.values.items() if k != "system"})
    turns = asked(unsaid)[0] if prompted(row) else ()
    feedback = Feedback("rating", answers, tuple(judgements), scale=scale_of(row, settings.scale))
    return [draft(row, turns, feedback, () if many else (str(one),))]


def _rated(row: Row, settings: FeedbackSettings, count: int) -> Iterator[tuple[str, str, Any]]:
    """The field, aspect and value of everything that was rated."""
    field = first_of(row, RATING_FIELDS)
    inner = row.values[field] if field else None
    if settings.aspect:
        for aspect in settings.aspect:
            if aspect in row.values:
                yield aspect, aspect, row.values[aspect]
            elif isinstance(inner, Mapping) and aspect in inner:
                yield f"{field}.{aspect}", aspect, inner[aspect]
            else:
                known = inner if isinstance(inner, Mapping) else row.values
                raise DataError(f"{row.where}: {unknown_field(aspect, known)}")
    elif settings.counts:
        return
    elif field is None:
        raise DataError(f"{row.where}: {unknown_field('rating', row.values)}")
    elif isinstance(inner, Mapping) and count == 1 and inner and _holds_more(inner):
        for aspect, value in inner.items():
            yield f"{field}.{aspect}", str(aspect), value
    else:
        yield field, "", inner


def _holds_more(inner: Mapping[str, Any]) -> bool:
    return all(isinstance(value, list | dict) for value in inner.values())


def _said(
    row: Row, name: str, value: Any, many: int | None, settings: FeedbackSettings
) -> list[_Said]:
    """What each person said of the answers; `many` is their number, None for a single one."""
    if many is None:
        return [(person, (one,)) for person, one in _people(row, name, value, settings)]
    if isinstance(value, Mapping):
        return [(str(who), _row_of(row, name, said, many)) for who, said in value.items()]
    if not isinstance(value, list) or len(value) != many:
        raise _wrong_count(row, name, value, many)
    if not any(isinstance(entry, list | dict) for entry in value):
        return [(annotator_of(row), _row_of(row, name, value, many))]
    found: list[_Said] = []
    for place, entry in enumerate(value):
        for person, one in _people(row, name, entry, settings):
            values = [None] * place + [one] + [None] * (many - place - 1)
            found.append((person, tuple(values)))
    return found


def _people(row: Row, name: str, value: Any, settings: FeedbackSettings) -> list[tuple[str, float]]:
    """A number, a list of numbers, or a mapping from annotator to number; null says nothing."""
    if isinstance(value, Mapping):
        named = [(str(person), one) for person, one in value.items()]
    elif isinstance(value, list):
        named = [(str(n) if settings.in_order else "", one) for n, one in enumerate(value, 1)]
    else:
        named = [(annotator_of(row), value)]
    return [(who, number(one, row.where, name)) for who, one in named if one is not None]


def _row_of(row: Row, name: str, value: Any, many: int) -> tuple[float | None, ...]:
    if not isinstance(value, list) or len(value) != many:
        raise _wrong_count(row, name, value, many)
    return tuple(None if one is None else number(one, row.where, name) for one in value)


def _wrong_count(row: Row, name: str, value: Any, many: int) -> DataError:
    found = f"{len(value)} ratings" if isinstance(value, list) else "no list"
    return DataError(f"{row.where}: field '{name}' holds {found} for {many} answers{CURE}")


def _counted(row: Row, settings: FeedbackSettings, count: int) -> list[Judgement]:
    """Ratings of which only the number of people is known."""
    found: list[Judgement] = []
    for name, value in settings.counts.items():
        if count > 1:
            raise DataError(
                f"{row.where}: `feedback.counts` says nothing about several answers in one row"
            )
        if name not in row.values:
            raise DataError(f"{row.where}: {unknown_field(name, row.values)}")
        people = number(row.values[name], row.where, name)
        if people < 0 or not people.is_integer():
            raise DataError(f"{row.where}: field '{name}' is {people:g}, no number of people{CURE}")
        if people:
            found.append(Judgement((float(value),), people=int(people)))
    return found


RATINGS = ratings(FeedbackSettings())
