"""How sure a score is: Wilson's interval and the cluster bootstrap, from one set of draws.

The draws of a task are a pure function of the seed, the task's name and its number of clusters. So
they are the same for every model and stage, which makes differences paired and lets a score over
many tasks have its interval from the draws of its parts; and they are independent between tasks.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Float

from madrigal.evaluation.metrics import METRICS
from madrigal.evaluation.prediction import Prediction

_CELLS = 1 << 22  # entries of one block of resampling counts: 32 MB

Interval = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Score:
    """A score with its interval; the bounds are None where one example alone gives no interval."""

    value: float
    low: float | None
    high: float | None
    n: int
    unparsed: int = 0


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are made: the seed, the number of bootstrap draws, the level."""

    seed: int = 0
    draws: int = 2000
    confidence: float = 0.95

    @property
    def alpha(self) -> float:
        """The level of the tests that go with the intervals."""
        return alpha_of(self.confidence)

    def counts(self, task: str, clusters: int) -> Iterator[Float[np.ndarray, "B G"]]:
        """How often each draw takes each of the clusters, in blocks of draws; rows sum to G."""
        name = hashlib.sha256(f"{self.seed}/{task}/{clusters}".encode()).digest()
        random = np.random.Generator(np.random.Philox(key=int.from_bytes(name[:16], "little")))
        block = max(1, _CELLS // clusters)
        for start in range(0, self.draws, block):
            rows = min(block, self.draws - start)
            taken = random.integers(clusters, size=(rows, clusters))
            taken += np.arange(rows)[:, None] * clusters
            flat = np.bincount(taken.ravel(), minlength=rows * clusters)
            yield flat.reshape(rows, clusters).astype(np.float64)

    def totals(
        self, task: str, statistics: Float[np.ndarray, "G D"]
    ) -> Float[np.ndarray, "draws D"]:
        """Sum of the drawn clusters' statistics, a row for each draw."""
        blocks = [counts @ statistics for counts in self.counts(task, len(statistics))]
        return np.concatenate(blocks)

    def percentiles(self, values: Float[np.ndarray, " B"]) -> tuple[float, float]:
        """The middle `confidence` of the draws."""
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(values, [tail, 1 - tail])
        return float(low), float(high)


def alpha_of(confidence: float) -> float:
    """Largest p that counts as found at this confidence: 0.05 at 0.95."""
    return round(1 - confidence, 12)  # 1 - 0.9 is a little less than 0.1


def wilson(right: int | float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval (1927) for a share of `right` in `n`: 18 of 20 gives [0.70, 0.97]."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, extra = right / n, z * z / n
    centre = (share + extra / 2) / (1 + extra)
    half = z / (1 + extra) * math.sqrt(share * (1 - share) / n + extra / (4 * n))
    # At the ends the bound is exact; rounding must not put the share outside its interval.
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))


def in_order(rows: Sequence[Prediction]) -> list[Prediction]:
    """The rows by cluster and id, so that no score depends on the order of a file."""
    return sorted(rows, key=lambda row: (row.cluster, row.id))


def by_cluster(
    rows: Sequence[Prediction], statistics: Float[np.ndarray, "N D"]
) -> Float[np.ndarray, "G D"]:
    """Statistics summed within clusters. The rows stand as `in_order` puts them."""
    starts = [i for i, row in enumerate(rows) if i == 0 or row.cluster != rows[i - 1].cluster]
    return np.add.reduceat(statistics, starts, axis=0)


def score(rows: Sequence[Prediction], metric: str, resampling: Resampling = Resampling()) -> Score:
    """The score of the rows of one task with its interval.

    Wilson's interval for shares of independent examples; otherwise the percentile bootstrap over
    clusters (for macro-F1, BLEU and chrF of resampled counts). Where all draws agree, as with 20
    right of 20, the bootstrap knows nothing: Wilson's interval over the clusters stands in.
    """
    return drawn(rows, metric, resampling).score


@dataclass(frozen=True, slots=True)
class Drawn:
    """A score and what it would have been in each bootstrap draw of its clusters."""

    score: Score
    values: Float[np.ndarray, " B"]
    clusters: int


def vary(draws: Float[np.ndarray, " B"]) -> bool:
    """Whether draws differ by more than rounding: where they do not, they tell nothing."""
    return float(np.ptp(draws)) > 1e-12 * max(1.0, float(np.abs(draws).max()))


def drawn(rows: Sequence[Prediction], metric: str, resampling: Resampling = Resampling()) -> Drawn:
    """The score of the rows of one task together with its bootstrap draws."""
    chosen, rows = METRICS[metric], in_order(rows)
    clusters = by_cluster(rows, chosen.statistics(rows)) if rows else np.zeros((0, 1))
    if not len(clusters):
        raise ValueError(f"{metric}: no predictions to score")
    value = chosen.total(clusters)
    values = chosen.value(resampling.totals(rows[0].task, clusters))
    if chosen.binary and len(clusters) == len(rows):
        low, high = wilson(value * len(rows), len(rows), resampling.confidence)
    else:
        low, high = _bootstrap(value, values, len(clusters), chosen.direction, resampling)
    unparsed = sum(not row.parsed for row in rows)
    return Drawn(Score(value, low, high, len(rows), unparsed), values, len(clusters))


def _bootstrap(
    value: float,
    values: Float[np.ndarray, " B"],
    clusters: int,
    direction: str,
    resampling: Resampling,
) -> Interval:
    if vary(values):
        low, high = resampling.percentiles(values)
        # The draws of a biased statistic (macro-F1) may all but miss the estimate itself.
        return min(low, value), max(high, value)
    if direction == "lower":
        return None, None
    return wilson(value * clusters, clusters, resampling.confidence)
