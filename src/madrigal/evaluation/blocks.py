"""How sure a number over many steps is: the block bootstrap, for steps that follow one another."""

import functools
import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Float

_MOST = 1000  # steps that are resampled one by one; longer logs are added up into so many bins
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Blocks:
    """The moving-block bootstrap over steps, the log closed to a circle.

    Kunsch, 1989; closed to a circle as in Politis and Romano, 1992, because otherwise the first and
    the last steps, where gradients are largest and smallest, are drawn too rarely. T steps are
    drawn as m = T / l blocks of l = T^(1/3) neighbours, so what one step has from its neighbours
    stays in the draws.

    Intervals are expanded percentiles (Hesterberg, 2015): the bootstrap is too narrow by
    sqrt((m - 1) / m) and by Student's t against the normal, so quantiles further out are taken.
    Blocks that overlap know the variance as well as 3/2 as many that do not (Kunsch, 1989), so t
    has 3 m / 2 - 1 degrees of freedom.
    """

    draws: int = 1000
    seed: int = 0
    confidence: float = 0.95

    def sums(self, values: Float[np.ndarray, "T F"]) -> Float[np.ndarray, "draws F"]:
        """Sums over the steps of each draw."""
        values = _binned(values)
        steps, length = len(values), block_length(len(values))
        blocks = _count(steps)
        closed = np.concatenate([np.zeros_like(values[:1]), values, values[: length - 1]])
        upto = np.cumsum(closed, axis=0)
        of_block = upto[length:] - upto[:-length]
        random = np.random.default_rng([self.seed, steps])
        starts = random.integers(steps, size=(self.draws, blocks))
        starts += np.arange(self.draws)[:, None] * steps
        taken = np.bincount(starts.ravel(), minlength=self.draws * steps)
        scale = steps / (blocks * length)
        return scale * (taken.reshape(self.draws, steps).astype(np.float64) @ of_block)

    def ends(
        self, draws: Float[np.ndarray, "draws F"], steps: int
    ) -> tuple[Float[np.ndarray, " F"], Float[np.ndarray, " F"]]:
        """The lower and upper ends of the intervals of statistics over so many steps."""
        blocks = _count(min(steps, _MOST))
        tail = _NORMAL.cdf(-reach(self.confidence, _freedom(blocks)) * _widening(blocks))
        low, high = np.quantile(draws, [tail, 1 - tail], axis=0)
        return low, high

    def p_below(
        self, value: Float[np.ndarray, " F"], draws: Float[np.ndarray, "draws F"], steps: int
    ) -> Float[np.ndarray, " F"]:
        """Two-sided p that the truth is 0, where the value is below it; else 1.

        Student's t of the value over the draws' standard deviation: quantiles of draws know nothing
        of the small p that many pairs need.
        """
        blocks = _count(min(steps, _MOST))
        error = np.std(draws, axis=0) * _widening(blocks)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(error > 0, value / error, np.where(value < 0, -np.inf, 0.0))
        freedom = _freedom(blocks)
        return np.array([max(1 - within(-x, freedom), 0.0) if x < 0 else 1.0 for x in t])


def block_length(steps: int) -> int:
    """Steps of a block: neighbours that may have something in common."""
    return max(1, round(steps ** (1 / 3)))


def _count(steps: int) -> int:
    return max(2, round(steps / block_length(steps)))


def _freedom(blocks: int) -> int:
    return 3 * blocks // 2 - 1


def _widening(blocks: int) -> float:
    return math.sqrt(blocks / (blocks - 1))


def _binned(values: Float[np.ndarray, "T F"]) -> Float[np.ndarray, "N F"]:
    """Neighbours added up where there are too many steps: blocks hold them together anyway."""
    if len(values) <= _MOST:
        return values
    edges = np.linspace(0, len(values), _MOST + 1).round().astype(int)[:-1]
    return np.add.reduceat(values, edges, axis=0)


def within(t: float, freedom: int) -> float:
    """How often Student's t lies between -t and t (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(freedom))
    squared = math.cos(angle) ** 2
    odd = freedom % 2
    term, total = (math.cos(angle), 0.0) if odd else (1.0, 0.0)
    for even in range(2, freedom, 2):
        total += term
        term *= squared * (even / (even + 1) if odd else (even - 1) / even)
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * (total + term)


@functools.lru_cache
def reach(confidence: float, freedom: int) -> float:
    """The t within which Student's t lies so often."""
    low, high = 0.0, 1.0
    while within(high, freedom) < confidence:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle, freedom) < confidence else (low, middle)
    return high
