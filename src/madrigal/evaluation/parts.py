"""Parts of a number over many tasks, each with what the bootstrap knows of it and what it does not.

A sample that is right throughout, or that holds one example, is the same in every draw, and its
draws say that nothing can vary. What such a part may hide is its own interval, the one that
`score` and `difference` give it, and enters a number over tasks in quadrature (MOVER; Zou and
Donner, 2008): the lower bound of f(x_1 ... x_T) lies sqrt(sum over i of d_i^2) below its value,
with d_i how far f falls when x_i alone moves to a bound of its interval.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from madrigal.evaluation.intervals import Drawn, Interval, Resampling, vary, wilson

Values = Float[np.ndarray, " B"]
Table = Float[np.ndarray, "T B"]


@dataclass(frozen=True, slots=True)
class Summary:
    """A value over many tasks with its interval; no bounds where a part has no honest interval."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Part:
    """A value with, behind it, the value of every draw; and how far it may lie off beyond them.

    `down` and `up` are 0 where the draws tell all, None where nothing does.
    """

    joined: Values
    down: float | None = 0.0
    up: float | None = 0.0

    @property
    def value(self) -> float:
        """The value itself."""
        return float(self.joined[0])


def level(drawn: Drawn) -> Part:
    """A score; its own interval stands in where the draws are all the same."""
    joined = np.concatenate([[drawn.score.value], drawn.values])
    return (
        Part(joined) if vary(drawn.values) else _within(joined, drawn.score.low, drawn.score.high)
    )


def change(
    before: Drawn, after: Drawn, confidence: float, gain: Callable[[Values], Values] | None = None
) -> Part:
    """The paired difference of two scores, or of what `gain` makes of them (a perplexity's)."""
    one, two = (np.concatenate([[cell.score.value], cell.values]) for cell in (before, after))
    joined = two - one if gain is None else gain(two) - gain(one)
    if vary(joined[1:]):
        return Part(joined)
    clusters = min(before.clusters, after.clusters)
    low, high = unvarying(float(joined[0]), clusters, gain is None, confidence)
    return _within(joined, low, high)


def unvarying(value: float, clusters: int, bounded: bool, confidence: float) -> Interval:
    """Interval of a paired difference that is the same in every cluster, hence in every draw.

    A share h of clusters that differ may hide outside the sample, h being Wilson's upper bound for
    0 of `clusters`; each of them differs by anything from -1 to 1. So the difference lies between
    v - h (1 + v) and v + h (1 - v). For v of -1, 0 and 1 this is Tango's interval. What is not
    `bounded` can differ by anything: only no difference at all in several clusters says something.
    """
    if not bounded:
        return (value, value) if value == 0 and clusters > 1 else (None, None)
    hidden = wilson(0, clusters, confidence)[1]
    return max(-1.0, value - hidden * (1 + value)), min(1.0, value + hidden * (1 - value))


def combined(function: Callable[[Table], Values], parts: Sequence[Part]) -> Part:
    """A function of several parts, which maps the table of parts x draws to one row."""
    table = np.stack([part.joined for part in parts])
    joined = function(table)
    down = up = 0.0
    for place, part in enumerate(parts):
        if part.down is None or part.up is None:
            return Part(joined, None, None)
        moved = np.repeat(table[:, :1], 2, axis=1)
        moved[place] += [-part.down, part.up]
        shifts = function(moved) - joined[0]
        down = math.hypot(down, min(0.0, float(shifts.min())))
        up = math.hypot(up, max(0.0, float(shifts.max())))
    return Part(joined, down, up)


def mean(parts: Sequence[Part]) -> Part:
    """The mean of parts."""
    return combined(lambda table: table.mean(axis=0), parts)


def summary(part: Part, resampling: Resampling) -> Summary:
    """The value with the percentile interval of its draws, widened by what they cannot know."""
    value = part.value
    if part.down is None or part.up is None:
        return Summary(value, None, None)
    low, high = resampling.percentiles(part.joined[1:])
    below, above = max(0.0, value - low), max(0.0, high - value)
    return Summary(value, value - math.hypot(below, part.down), value + math.hypot(above, part.up))


def _within(joined: Values, low: float | None, high: float | None) -> Part:
    if low is None or high is None:
        return Part(joined, None, None)
    return Part(joined, max(0.0, float(joined[0]) - low), max(0.0, high - float(joined[0])))
