"""A measured number with its interval, from draws over prompts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Float, Int

from madrigal.evaluation.intervals import Resampling, vary, wilson

DRAWS = Resampling(draws=1000)


@dataclass(frozen=True, slots=True)
class Measure:
    """A value, the ends of its interval, and how many of what it counts there were."""

    value: float
    low: float
    high: float
    n: int

    def through(self, change: Callable[[float], float]) -> "Measure":
        """The value and its ends through a function that rises or falls everywhere."""
        value, low, high = change(self.value), change(self.low), change(self.high)
        return Measure(value, min(low, high), max(low, high), self.n)

    def without(self, value: float) -> bool:
        """Whether the interval leaves out a value."""
        return not self.low <= value <= self.high


def share(
    hits: Float[np.ndarray, " N"],
    of: Float[np.ndarray, " N"],
    cluster: Int[np.ndarray, " N"],
    resampling: Resampling = DRAWS,
) -> Measure | None:
    """sum(hits) / sum(of) with its interval; None where there is nothing to count.

    The percentile bootstrap over clusters (prompts). Wilson's interval stands in where each cluster
    is one observation, and over clusters where all draws agree.
    """
    if of.sum() <= 0:
        return None
    _, place = np.unique(cluster, return_inverse=True)
    sums = np.stack([np.bincount(place, hits), np.bincount(place, of)], axis=1)
    sums = sums[sums[:, 1] > 0]
    totals = resampling.totals("feedback", sums)
    return _share_of(sums[:, 0], sums[:, 1], totals[:, 0] / totals[:, 1], resampling)


def shares(
    asked: Sequence[tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]],
    cluster: Int[np.ndarray, " N"],
    resampling: Resampling = DRAWS,
) -> list[Measure | None]:
    """`share` of many (hits, of) by the same draws over all clusters, so in one pass.

    Draws that hold nothing of what is counted do not count.
    """
    _, place = np.unique(cluster, return_inverse=True)
    sums = np.stack([np.bincount(place, part) for pair in asked for part in pair], axis=1)
    totals = resampling.totals("feedback", sums)
    found: list[Measure | None] = []
    for number in range(len(asked)):
        hits, of = sums[:, 2 * number], sums[:, 2 * number + 1]
        drawn = totals[:, 2 * number : 2 * number + 2]
        drawn = drawn[drawn[:, 1] > 1e-9]
        found.append(_share_of(hits[of > 0], of[of > 0], drawn[:, 0] / drawn[:, 1], resampling))
    return found


def _share_of(
    hits: Float[np.ndarray, " G"],
    of: Float[np.ndarray, " G"],
    rates: Float[np.ndarray, " B"],
    resampling: Resampling,
) -> Measure | None:
    if not len(of):
        return None
    value, n = float(hits.sum() / of.sum()), round(float(of.sum()))
    single = bool((of == 1).all() and np.isin(hits, (0, 1)).all())
    if not single and len(rates) and vary(rates):
        low, high = resampling.percentiles(rates)
        return Measure(value, min(low, value), max(high, value), n)
    clamped = min(max(value, 0.0), 1.0)
    return Measure(value, *wilson(clamped * len(of), len(of), resampling.confidence), n)


def draws(
    clusters: int, resampling: Resampling = DRAWS, most: int | None = None
) -> Iterator[Float[np.ndarray, " G"]]:
    """How often each draw takes each cluster; the same draws for every measure."""
    left = resampling.draws if most is None else min(most, resampling.draws)
    for block in resampling.counts("feedback", clusters):
        yield from block[:left]
        left -= len(block)
        if left <= 0:
            return


def around(
    value: float, found: Float[np.ndarray, " B"], n: int, resampling: Resampling = DRAWS
) -> Measure:
    """The value with the middle of its draws; draws that have no value do not count."""
    known = found[np.isfinite(found)]
    if not len(known):
        return Measure(value, value, value, n)
    low, high = resampling.percentiles(known)
    return Measure(value, min(low, value), max(high, value), n)


def spread(
    value: float, found: Float[np.ndarray, " B"], n: int, resampling: Resampling = DRAWS
) -> Measure:
    """A share with z standard deviations of its draws on both sides: for few draws."""
    z = NormalDist().inv_cdf((1 + resampling.confidence) / 2)
    half = z * float(found.std(ddof=1))
    return Measure(value, max(0.0, value - half), min(1.0, value + half), n)
