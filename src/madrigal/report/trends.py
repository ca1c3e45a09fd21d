"""Remedies that a task's validation scores speak for: train longer, or stop earlier."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from madrigal.report.evidence import Evidence

_CHECKS = 6  # validations that a trend needs


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to try for a task, and because of what."""

    name: str
    attempt: str
    because: str


def unfinished(known: Evidence) -> Remedy | None:
    """Its validation score still rises at the end of the stage: train longer."""
    points = known.validation
    if len(points) < _CHECKS:
        return None
    third = len(points) // 3
    middle, last = (
        [value for _, value in part] for part in (points[-2 * third : -third], points[-third:])
    )
    gain = fmean(last) - fmean(middle)
    if gain <= 2 * _spread(known) or max(value for _, value in points) not in last:
        return None
    return Remedy(
        "unfinished",
        "more `steps`",
        f"its validation score still rises at the end: {_score(fmean(middle))} to "
        f"{_score(fmean(last))} from step {points[-2 * third][0]:,.0f} to {points[-1][0]:,.0f}",
    )


def overfitted(known: Evidence) -> Remedy | None:
    """Its validation score fell after a peak well before the end: stop it earlier."""
    points = known.validation
    if len(points) < _CHECKS:
        return None
    smooth = [fmean(v for _, v in points[i : i + 3]) for i in range(len(points) - 2)]
    peak = max(range(len(smooth)), key=smooth.__getitem__)
    if peak > 2 * (len(smooth) - 1) / 3 or smooth[peak] - smooth[-1] <= 2 * _spread(known):
        return None
    return Remedy(
        "overfitted",
        "`early_stop: {per_task: true}` in the stage, or `max_epochs` of the task",
        f"its validation score peaked near step {points[peak + 1][0]:,.0f} at "
        f"{_score(smooth[peak])} and ended at {_score(smooth[-1])}",
    )


def _spread(known: Evidence) -> float:
    """How far one validation strays from its neighbours' mean."""
    values: Sequence[float] = [value for _, value in known.validation]
    around = [values[i] - (values[i - 1] + values[i + 1]) / 2 for i in range(1, len(values) - 1)]
    # The mean of two neighbours strays too: the difference has 1.5 times one score's variance.
    return pstdev(around) / math.sqrt(1.5) if around else 0.0


def _score(value: float) -> str:
    return f"{100 * value:.1f}"
