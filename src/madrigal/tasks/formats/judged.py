"""Words that every format of judged answers needs: answers, annotators, numbers, order shown."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from madrigal.errors import DataError
from madrigal.tasks.bad import CURE
from madrigal.tasks.feedback import ALONE, Feedback, Judgement
from madrigal.tasks.formats.base import Draft, first_of, optional, scalar, scalars
from madrigal.tasks.formats.turns import turns_of
from madrigal.tasks.record import Turn
from madrigal.tasks.row import Row, quoted

ANNOTATORS = ("annotator", "annotator_id", "rater", "worker", "worker_id", "judge")


def draft(
    row: Row,
    turns: Sequence[Turn],
    feedback: Feedback,
    names: Sequence[str] = (),
    problem: str = "",
) -> Draft:
    """The row as a draft, if its answers can be judged; `names` are the fields they stand in."""
    named = [f"'{name}'" for name in names]
    named = named or [f"answer {number}" for number in range(1, len(feedback.answers) + 1)]
    for name, answer in zip(named, feedback.answers, strict=True):
        if not answer.strip():
            raise DataError(f"{row.where}: {name} is empty{CURE}")
    if feedback.kind not in ALONE:
        _check_compared(row, feedback.answers, named)
    if feedback.scale is not None:
        _check_scale(row, feedback.judgements, *feedback.scale)
    return Draft(
        row.where, tuple(turns), feedback=feedback, problem=problem, fields=scalars(row.values)
    )


def _check_compared(row: Row, answers: Sequence[str], named: Sequence[str]) -> None:
    if len(answers) < 2:
        raise DataError(f"{row.where}: one answer, and nothing to compare it with{CURE}")
    seen: dict[str, str] = {}
    for name, answer in zip(named, answers, strict=True):
        before = seen.setdefault(answer.strip(), name)
        if before != name:
            raise DataError(
                f"{row.where}: {before} and {name} are the same text, so neither can be better"
                f"{CURE}"
            )


def _check_scale(row: Row, judgements: Sequence[Judgement], low: float, high: float) -> None:
    for aspect, value in ((one.aspect, value) for one in judgements for value in one.values):
        if value is not None and not low <= value <= high:
            what = f" of '{aspect}'" if aspect else ""
            raise DataError(
                f"{row.where}: the rating{what} is {value:g}, outside its scale from {low:g} to "
                f"{high:g}{CURE}"
            )


def answer_of(row: Row, name: str) -> str:
    """An answer as text, or as a list of one message of the assistant; null is empty."""
    value = row.values.get(name)
    if not isinstance(value, list):
        return optional(row, name, missing=False)
    turns = turns_of(value, f"{row.where}: '{name}'")
    if [turn.role for turn in turns] != ["assistant"]:
        raise DataError(f"{row.where}: '{name}' must be one answer of the assistant")
    return turns[0].text


def answers_of(row: Row, name: str) -> tuple[str, ...]:
    """A list of answers; null is empty."""
    value = row.values[name]
    if not isinstance(value, list):
        raise DataError(f"{row.where}: field '{name}' must be a list of answers")
    inner = [Row(row.file, row.where, {f"{name}[{i}]": item}) for i, item in enumerate(value, 1)]
    return tuple(answer_of(one, next(iter(one.values))) for one in inner)


def annotator_of(row: Row) -> str:
    """Who judged, where the row says it."""
    name = first_of(row, ANNOTATORS)
    return "" if name is None else optional(row, name).strip()


def number(value: Any, where: str, name: str) -> float:
    """A number, also where a table holds it as text."""
    try:
        found = math.nan if isinstance(value, bool | list | dict) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise DataError(f"{where}: field '{name}' holds {_said(value)} where a number was expected")
    return found


def _said(value: Any) -> str:
    kinds = {list: "a list", dict: "an object"}
    return kinds.get(type(value)) or f"'{scalar(value)}'"


def margin_of(row: Row) -> float | None:
    """By how much the better one of a pair is better, where the row says it."""
    if row.values.get("margin") is None:
        return None
    margin = number(row.values["margin"], row.where, "margin")
    if margin < 0:
        raise DataError(
            f"{row.where}: the margin is {margin:g}; it says by how much the better answer is "
            f"better, so it is 0 or more{CURE}"
        )
    return margin


def scale_of(row: Row, given: tuple[float, ...] | None) -> tuple[float, float] | None:
    """Lowest and highest rating, as the recipe has them, else as the row does."""
    ends = row.values.get("scale") if given is None else given
    if ends is None:
        return None
    found = (
        [number(end, row.where, "scale") for end in ends] if isinstance(ends, list | tuple) else []
    )
    if len(found) != 2 or found[0] >= found[1]:
        raise DataError(f"{row.where}: field 'scale' must be [lowest, highest]")
    return found[0], found[1]


def places(value: Any, marks: Sequence[Mapping[str, int]], where: str, name: str) -> list[int]:
    """Answers that a list, or a word such as `ba`, names one after another.

    `marks` are the ways to name them; the first in which every name is known is taken.
    """
    items = list(value) if isinstance(value, str | list) else None
    if items is None:
        raise DataError(f"{where}: field '{name}' must be a list of answers")
    said = [str(scalar(item)).strip().lower() for item in items]
    said = [word for word in said if word not in (",", "")]
    for known in marks:
        if all(word in known for word in said):
            return [known[word] for word in said]
    unknown = next(word for word in said if word not in marks[0])
    raise DataError(
        f"{where}: field '{name}' names '{unknown}', and there are the answers "
        f"{quoted(marks[0])}{CURE}"
    )
