"""Two models on the same examples: the difference, its interval, and whether it is chance."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Float

from madrigal.errors import RunFolderError
from madrigal.evaluation.intervals import Interval, Resampling, by_cluster, in_order, vary
from madrigal.evaluation.metrics import METRICS, Metric
from madrigal.evaluation.parts import unvarying
from madrigal.evaluation.prediction import Prediction
from madrigal.evaluation.tango import tango

_PERMUTATIONS = 9_999
_POWER = 0.8

Rows = Sequence[Prediction]


@dataclass(frozen=True, slots=True)
class Difference:
    """Second minus first, in the metric's own unit and sign (a lower perplexity is negative).

    `won`, `lost` and `tied` count the examples on which the second scores higher, lower, equal.
    `detectable` is the smallest true difference that a sample like this one shows in four of five
    cases. `ratio` (second over first) stands for perplexity only. `left_out` counts examples that
    only one of the two has.
    """

    first: float
    second: float
    difference: float
    low: float | None
    high: float | None
    p: float
    test: str  # "mcnemar" (exact) or "permutation"
    n: int
    won: int
    lost: int
    tied: int
    detectable: float | None = None
    ratio: tuple[float, float, float] | None = None
    left_out: int = 0

    def needed(self, delta: float) -> int | None:
        """Examples needed to see a true difference of `delta` in four of five cases."""
        if self.detectable is None:
            return None
        return math.ceil(self.n * (self.detectable / delta) ** 2)


def difference(
    first: Rows, second: Rows, metric: str, resampling: Resampling = Resampling()
) -> Difference:
    """Compare two models on the examples of one task that both have.

    For 0/1 scores of independent examples the interval is Tango's (1998) score interval and p the
    exact McNemar test's. Else the interval is the percentile bootstrap with the same clusters drawn
    for both, and p comes from exchanging the two models' answers at random, cluster by cluster
    (approximate randomisation, Noreen, 1989).

    Raises:
        RunFolderError: no example is in both.
    """
    chosen = METRICS[metric]
    ones, twos = _common(first, second)
    # The clusters are the first run's for both: a pair must not be torn apart.
    a, b = (by_cluster(ones, chosen.statistics(rows)) for rows in (ones, twos))
    before, after = chosen.total(a), chosen.total(b)
    scores = np.array(
        [[chosen.example(row) if row.parsed else 0.0 for row in rows] for rows in (ones, twos)]
    )
    won, lost = int((scores[1] > scores[0]).sum()), int((scores[1] < scores[0]).sum())
    totals = resampling.totals(ones[0].task, np.concatenate([a, b], axis=1))
    draws = [chosen.value(half) for half in np.split(totals, 2, axis=1)]
    exact = chosen.binary and len(a) == len(ones)
    low, high = (
        tango(won, lost, len(ones), resampling.confidence)
        if exact
        else _interval(after - before, draws[1] - draws[0], len(a), chosen, resampling)
    )
    return Difference(
        first=before,
        second=after,
        difference=after - before,
        low=low,
        high=high,
        p=mcnemar(won, lost) if exact else permutation(a, b, chosen, resampling),
        test="mcnemar" if exact else "permutation",
        n=len(ones),
        won=won,
        lost=lost,
        tied=len(ones) - won - lost,
        detectable=detectable(draws[1] - draws[0], resampling.confidence),
        ratio=_ratio(before, after, draws, resampling) if metric == "perplexity" else None,
        left_out=len(first) + len(second) - 2 * len(ones),
    )


def _common(first: Rows, second: Rows) -> tuple[list[Prediction], list[Prediction]]:
    by_id = {row.id: row for row in second}
    ones = in_order([row for row in first if row.id in by_id])
    if not ones:
        task = (list(first) + list(second) or [None])[0]
        raise RunFolderError(
            f"{f'task {task.task!r}' if task else 'a task'}: the two runs have no example in "
            "common; compare runs that were evaluated on the same test split"
        )
    return ones, [by_id[row.id] for row in ones]


def _interval(
    value: float,
    draws: Float[np.ndarray, " B"],
    clusters: int,
    metric: Metric,
    resampling: Resampling,
) -> Interval:
    if not vary(draws):
        return unvarying(value, clusters, metric.direction == "higher", resampling.confidence)
    low, high = resampling.percentiles(draws)
    return min(low, value), max(high, value)


def _ratio(
    before: float, after: float, draws: list[Float[np.ndarray, " B"]], resampling: Resampling
) -> tuple[float, float, float]:
    low, high = resampling.percentiles(draws[1] / draws[0])
    return after / before, low, high


def mcnemar(won: int, lost: int) -> float:
    """Exact two-sided McNemar test: the binomial test that wins and losses are equally likely."""
    n, fewer = won + lost, min(won, lost)
    if won == lost:
        return 1.0
    logs = [
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2)
        for k in range(fewer + 1)
    ]
    return min(1.0, 2 * math.fsum(math.exp(x) for x in logs))


def permutation(
    first: Float[np.ndarray, "G D"],
    second: Float[np.ndarray, "G D"],
    metric: Metric,
    resampling: Resampling,
) -> float:
    """Two-sided p that the models are exchangeable: exact for few clusters, else by 9,999 draws."""
    gain = second - first
    base, other = first.sum(axis=0), second.sum(axis=0)
    seen = abs(metric.total(second) - metric.total(first))
    moved = 0
    drawn = 0
    for swap in _swaps(len(first), resampling.seed):
        shift = swap @ gain
        differences = metric.value(other - shift) - metric.value(base + shift)
        # Rounding must not turn a tie with the observed difference into less.
        moved += int((np.abs(differences) >= seen - 1e-12 * max(1.0, seen)).sum())
        drawn += len(swap)
    exact = 2 ** len(first) <= _PERMUTATIONS
    return moved / drawn if exact else (moved + 1) / (drawn + 1)


def _swaps(clusters: int, seed: int) -> Iterator[Float[np.ndarray, "B G"]]:
    """Which clusters are exchanged: every possibility where they are few, else random ones."""
    if 2**clusters <= _PERMUTATIONS:
        every = np.arange(2**clusters)[:, None] >> np.arange(clusters)
        yield (every & 1).astype(np.float64)
        return
    random = np.random.default_rng([seed, clusters])
    block = max(1, (1 << 22) // clusters)
    for start in range(0, _PERMUTATIONS, block):
        shape = (min(block, _PERMUTATIONS - start), clusters)
        yield random.integers(2, size=shape).astype(np.float64)


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (1979), in the order given; they hold for the family as a whole."""
    adjusted = [0.0] * len(ps)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = largest
    return adjusted


def detectable(draws: Float[np.ndarray, " B"], confidence: float = 0.95) -> float | None:
    """Smallest true difference found with 80 % power: (z_alpha/2 + z_power) standard errors.

    Miller, 2024, section 5. The standard error is that of the bootstrap draws, so clusters and
    metrics without a mean form are covered. None where the draws do not differ.
    """
    error = float(np.std(draws))
    normal = NormalDist()
    return (normal.inv_cdf((1 + confidence) / 2) + normal.inv_cdf(_POWER)) * error or None
