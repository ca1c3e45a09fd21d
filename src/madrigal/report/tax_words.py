"""The alignment tax in words: numbers of a gain or a loss, and sentences on a stage."""

from collections.abc import Mapping, Sequence
from typing import Any

from madrigal.report import numbers
from madrigal.report.differences import interval_of
from madrigal.report.folder import Json
from madrigal.report.numbers import Interval, number
from madrigal.report.preferred import signed as signed_nats

MARGIN = "margin"  # of the log-probabilities of judged answers, among what a stage gains


def outcome(change: Interval | None, lower: bool = False) -> str:
    """`better` or `worse` where the whole interval is, else nothing."""
    if change is None or change.low is None or change.high is None:
        return ""
    up, down = change.low > 0, change.high < 0
    if lower:
        up, down = down, up
    return "better" if up else "worse" if down else ""


def is_metric(what: str) -> bool:
    """Whether a gain is in a metric, and not in rewards or nats."""
    return what in numbers.METRIC_NAMES


def thing(what: str) -> str:
    """What was gained, in words."""
    return numbers.metric_name(what) if is_metric(what) else what


def unit_of(what: str) -> str:
    """What stands under it in the table."""
    if is_metric(what):
        return ""
    return "nats, preferred less other answers" if what == MARGIN else "mean of own answers"


def level(value: float, what: str) -> str:
    """How much of it there is at a point."""
    if is_metric(what):
        return numbers.plain(value, what) + numbers.unit(what)
    return f"{value:.2f}".replace("-", numbers.MINUS)


def differs(change: Interval | None, what: str) -> str:
    """How much more that is than before the stage, with its interval."""
    if change is None:
        return numbers.DASH
    return numbers.difference(change, what) if is_metric(what) else signed_nats(change)


def sentences(body: Json, chosen: Json) -> list[str]:
    """What was gained, what was paid, how far one can go unpaid, and which point was chosen."""
    gained = [
        f"{thing(str(one.get('what')))} of {one.get('task')} {differs(found, str(one.get('what')))}"
        for one in body.get("gains", ())
        if (found := _at(one, 1.0)) is not None
    ]
    told = [f"The whole stage: {'; '.join(gained)}."] if gained else []
    paid = body.get("paid", ())
    lost = [
        f"{one.get('task')} {numbers.difference(found, str(one.get('metric')))}"
        for one in paid
        if (found := _at(one, 1.0)) is not None
        and outcome(found, one.get("metric") == "perplexity") == "worse"
    ]
    if lost:
        told.append(f"Its alignment tax: {'; '.join(lost)}.")
        told.append(_free(body))
    elif paid:
        told.append("No other task surely lost: no alignment tax was found on these examples.")
    else:
        told.append("No other task was scored, so nothing is said of what the stage cost.")
    share = number(chosen.get("share"))
    if share is not None:
        told.append(f"The point {share:g} was chosen and written to {chosen.get('out')}.")
    return told


def _free(body: Json) -> str:
    """How far one can go without a sure loss, and what of the gains is there."""
    free = number(body.get("free")) or 0.0
    if free == 0:
        return "Already at the first point another task surely loses; smaller shares may help."
    kept = []
    for one in body.get("gains", ()):
        whole, there = _at(one, 1.0), _at(one, free)
        if whole and there and outcome(whole) == "better" and whole.value > 0:
            part = numbers.percent(there.value / whole.value, 0)
            kept.append(f"{part} of the gain in {thing(str(one.get('what')))} of {one.get('task')}")
    there = f"; it has {' and '.join(kept)}" if kept else ""
    return f"Up to {free:g} of the way no other task surely loses{there}."


def _at(one: Json, share: float) -> Interval | None:
    points: Sequence[Mapping[str, Any]] = one.get("points", ())
    found = next((point for point in points if number(point.get("share")) == share), None)
    return None if found is None else interval_of(found.get("change"))
