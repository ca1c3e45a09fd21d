"""The agreement ceiling: what a perfect model could score against labels on which people differ."""

from collections.abc import Sequence
from typing import Any

from madrigal.report import numbers
from madrigal.report.folder import Json, RunFolder
from madrigal.report.numbers import Interval, mapping, number

UNKNOWN = "ceiling unknown"


def ceiling_of(run: RunFolder, task: str) -> Interval | None:
    """Bounds of a perfect model's agreement, as `low` and `high`; None where nobody voted twice.

    They are those of the data card. No model exceeds what siding with most people gives on the
    test votes themselves, nor does a bound.
    """
    found = bounds_in(mapping(mapping(run.cards.get(task)).get("quality")))
    if found is None or found.low is None or found.high is None:
        return None
    limits = [number(mapping(told).get("most")) for told in told_of(run, task)]
    limit = min((one for one in limits if one is not None), default=1.0)
    return Interval(min(found.high, limit), min(found.low, limit), min(found.high, limit))


def bounds_in(quality: Json) -> Interval | None:
    """The bounds in findings about the quality of some judged answers, as they stand in JSON."""
    bounds = [mapping(mapping(part).get("ceiling")) for part in _list(quality.get("parts"))]
    found = [
        (least, most)
        for bound in bounds
        if (least := number(mapping(bound.get("least")).get("value"))) is not None
        and (most := number(mapping(bound.get("most")).get("value"))) is not None
    ]
    if not found:
        return None
    low, high = min(one for one, _ in found), max(one for _, one in found)
    return Interval(high, low, high)


def ceiling_words(ceiling: Interval | None) -> str:
    """`ceiling 95.0 to 97.3 %`, or that it is not known."""
    if ceiling is None or ceiling.low is None or ceiling.high is None:
        return UNKNOWN
    low, high = (numbers.plain(end, "agreement") for end in (ceiling.low, ceiling.high))
    shown = high if low == high else f"{low} to {high}"
    return f"ceiling {shown}{numbers.SPACE}%"


def told_of(run: RunFolder, task: str) -> Sequence[Any]:
    """What the last stage that judged the task's answers told of it."""
    judged = mapping(mapping(run.scores.get("summary")).get("judged"))
    for stage in reversed(list(judged)):
        found = _list(mapping(judged[stage]).get(task))
        if found:
            return found
    return ()


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
