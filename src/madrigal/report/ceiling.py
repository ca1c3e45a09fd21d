"""The agreement ceiling: what a perfect model could score against labels on which people differ."""

from collections.abc import Sequence
from typing import Any

from madrigal.report import numbers
from madrigal.report.folder import RunFolder
from madrigal.report.numbers import Interval, mapping, number

UNKNOWN = "ceiling unknown"


def ceiling_of(run: RunFolder, task: str) -> Interval | None:
    """Bounds of a perfect model's agreement, as `low` and `high`; None where nobody voted twice.

    They are those of the data card. No model exceeds what siding with most people gives on the
    test votes themselves, nor does a bound.
    """
    parts = mapping(mapping(run.cards.get(task)).get("quality")).get("parts")
    bounds = [mapping(mapping(part).get("ceiling")) for part in _list(parts)]
    found = [
        (least, most)
        for bound in bounds
        if (least := number(mapping(bound.get("least")).get("value"))) is not None
        and (most := number(mapping(bound.get("most")).get("value"))) is not None
    ]
    if not found:
        return None
    low, high = min(one for one, _ in found), max(one for _, one in found)
    limits = [number(mapping(told).get("most")) for told in told_of(run, task)]
    limit = min((one for one in limits if one is not None), default=1.0)
    return Interval(min(high, limit), min(low, limit), min(high, limit))


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
