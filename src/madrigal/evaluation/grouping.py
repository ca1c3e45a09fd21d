"""Which tasks should share an adapter: groups by affinity, how stable they are, what they gain."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from madrigal.evaluation.affinity import Measure, StepAffinity
from madrigal.evaluation.blocks import Blocks
from madrigal.evaluation.cosine import LEAST_STEPS
from madrigal.evaluation.partition import (
    EXACT,
    best_by_count,
    best_partitions,
    in_order,
    partition_scores,
)
from madrigal.evaluation.task_gradients import Bounded

_SPANS = 8  # of the steps; no more than the fewest steps
# The spans' partitions are chosen from much the same steps, so their gains are not independent:
# k spans have 1 + k / (k - 1) times the variance (Nadeau and Bengio, 2003).
_WIDER = math.sqrt(1 + _SPANS / (_SPANS - 1))


@dataclass(frozen=True, slots=True)
class Grouping:
    """The best partition of a stage's tasks by measured affinity.

    `affinity[i, j]` is the mean over measured steps of what a step on task i does to task j, as a
    share of j's loss, `low` and `high` the ends of its interval; NaN on the diagonal. `score` and
    `together` are what a task gets from its group mates, averaged over tasks: in these groups, and
    with all in one. `gain` is the difference, freed of the luck of the choice, except with too few
    steps, where its ends are None. `pairs[i, j]` is the share of the draws that put i and j
    together when they may have as many groups, `stability` that of the draws whose best partition
    is this one.
    """

    tasks: tuple[str, ...]
    measure: Measure
    metric: str
    steps: int
    affinity: Float[np.ndarray, "K K"]
    low: Float[np.ndarray, "K K"]
    high: Float[np.ndarray, "K K"]
    groups: tuple[tuple[str, ...], ...]
    score: float
    together: float
    gain: Bounded
    pairs: Float[np.ndarray, "K K"]
    stability: float
    exact: bool
    unmeasured: tuple[tuple[str, str], ...] = ()  # pairs that no step measured; counted as 0

    @property
    def sure(self) -> bool:
        """Whether the gain over one adapter for all is surely above 0."""
        return len(self.groups) > 1 and self.gain.low is not None and self.gain.low > 0

    def group_of(self, task: str) -> int:
        """The place of a task's group."""
        return next(n for n, group in enumerate(self.groups) if task in group)


def group_tasks(
    found: StepAffinity,
    most: int | None = None,
    scored: Collection[str] | None = None,
    blocks: Blocks = Blocks(draws=400),
) -> Grouping:
    """The partition with the highest score (see `partition_scores`) into at most `most` groups.

    Only `scored` tasks count as receivers; left out, all: an auxiliary task goes where it gives.

    The highest of many partitions is high by luck too, the more so the more groups there are. So
    partitions are judged by steps that did not choose them: the steps fall into eight spans, and
    each span's gain over one group is that of the partition that the other seven choose. The mean
    is `gain`, and its interval is as wide as cross-validation needs (Nadeau and Bengio, 2003).
    Without `most`, the number of groups is the smallest whose gain is within one standard error of
    the best (Breiman et al., 1984); for `gain` each span's number too is chosen by the others.
    """
    tasks, steps = found.tasks, len(found.values)
    values, unmeasured = _filled(found.values)
    draws = blocks.sums(values.reshape(steps, -1)).reshape(-1, len(tasks), len(tasks)) / steps
    low, high = _ends(draws, blocks, steps)
    mean, blank = values.mean(axis=0), np.eye(len(tasks), dtype=bool) | unmeasured
    counts = _receivers(tasks, scored)
    counted = (mean * counts)[None]
    most, gain = _judged(values * counts, most, blocks)
    labels = _best(counted, most, blocks.seed)
    own = _best(draws * counts, most, blocks.seed)
    together = float(partition_scores(counted, np.zeros_like(labels))[0])
    score = float(partition_scores(counted, labels)[0])
    return Grouping(
        tasks=tasks,
        measure=found.measure,
        metric=found.metric,
        steps=steps,
        affinity=np.where(blank, np.nan, mean),
        low=np.where(blank, np.nan, np.minimum(low, mean)),
        high=np.where(blank, np.nan, np.maximum(high, mean)),
        groups=_named(tasks, labels[0]),
        score=score,
        together=together,
        gain=gain or Bounded(score - together),
        pairs=(own[:, :, None] == own[:, None, :]).mean(axis=0),
        stability=float((own == labels).all(axis=1).mean()),
        exact=len(tasks) <= EXACT,
        unmeasured=tuple((tasks[i], tasks[j]) for i, j in np.argwhere(unmeasured) if i != j),
    )


def _filled(
    values: Float[np.ndarray, "T K K"],
) -> tuple[Float[np.ndarray, "T K K"], Bool[np.ndarray, "K K"]]:
    """Values whose plain mean is that over the steps that measured a pair; which pairs none did.

    What is not measured in a step is 0, and what is counts for as many steps as it stands for.
    """
    known = np.isfinite(values)
    share = known.mean(axis=0)
    return np.where(known, values, 0.0) / np.where(share > 0, share, 1.0), share == 0


def _receivers(tasks: Sequence[str], scored: Collection[str] | None) -> Float[np.ndarray, " K"]:
    """How much each task counts as a receiver, so that a mean over all is one over the scored."""
    counts = np.array([float(scored is None or task in scored) for task in tasks])
    return counts * len(tasks) / max(counts.sum(), 1.0)


def _ends(
    draws: Float[np.ndarray, "D K K"], blocks: Blocks, steps: int
) -> tuple[Float[np.ndarray, "K K"], Float[np.ndarray, "K K"]]:
    if steps < LEAST_STEPS:
        return np.full(draws.shape[1:], -np.inf), np.full(draws.shape[1:], np.inf)
    low, high = blocks.ends(draws.reshape(len(draws), -1), steps)
    return low.reshape(draws.shape[1:]), high.reshape(draws.shape[1:])


def _judged(
    values: Float[np.ndarray, "T K K"], most: int | None, blocks: Blocks
) -> tuple[int, Bounded | None]:
    """How many groups there may be, and what so many gain over one; None with too few steps."""
    steps, tasks, _ = values.shape
    if steps < LEAST_STEPS:
        return most or tasks, None
    chosen = _Elsewhere(values, blocks)
    if most is None:
        gained, most = chosen.gain_of_rule(), chosen.count(range(_SPANS))
    else:
        gained = chosen.gains(range(_SPANS))[:, most - 1]
    low, high = blocks.ends(blocks.sums(gained[:, None]) / steps, steps)
    value = float(gained.mean())
    below, above = (
        _WIDER * max(end, 0.0) for end in (value - float(low[0]), float(high[0]) - value)
    )
    return most, Bounded(value, value - below, value + above)


class _Elsewhere:
    """Gains over one group of partitions in steps that had no part in choosing them."""

    def __init__(self, values: Float[np.ndarray, "T K K"], blocks: Blocks) -> None:
        steps, tasks, _ = values.shape
        self.values, self.blocks = values, blocks
        self.span = np.arange(steps) * _SPANS // steps  # of each step
        self.together = partition_scores(values, np.zeros((steps, tasks), dtype=np.int64))
        pairs = [(f, g) for f in range(_SPANS) for g in range(f + 1)]
        rest = [values[(self.span != f) & (self.span != g)].mean(axis=0) for f, g in pairs]
        by_count = np.stack(best_by_count(np.stack(rest), blocks.seed))
        self.labels = np.zeros((_SPANS, _SPANS, tasks, tasks), dtype=np.int64)
        for (f, g), labels in zip(pairs, by_count.transpose(1, 0, 2), strict=True):
            self.labels[f, g] = self.labels[g, f] = labels

    def gains(self, spans: Sequence[int], without: int | None = None) -> Float[np.ndarray, "N K"]:
        """Of the best 1, 2, ..., K groups, in the steps of `spans`: each span's are chosen from all
        other spans but `without`."""
        steps = np.flatnonzero(np.isin(self.span, spans))
        own = self.span[steps]
        labels = self.labels[own, own if without is None else without]
        scores = [partition_scores(self.values[steps], x) for x in labels.transpose(1, 0, 2)]
        return np.stack(scores, axis=1) - self.together[steps, None]

    def count(self, spans: Sequence[int], without: int | None = None) -> int:
        """The fewest groups, two or more, whose gain is within a standard error of the best's."""
        gains = self.gains(spans, without)
        best = int(gains.mean(axis=0).argmax())
        behind = gains[:, best : best + 1] - gains
        error = _WIDER * self.blocks.sums(behind).std(axis=0) / len(gains)
        near = behind.mean(axis=0) <= error
        return 2 + int(near[1:].argmax())

    def gain_of_rule(self) -> Float[np.ndarray, " T"]:
        """In every step the gain of what the other spans choose, the number of groups too."""
        found = []
        for f in range(_SPANS):
            others = [g for g in range(_SPANS) if g != f]
            found.append(self.gains([f])[:, self.count(others, f) - 1])
        return np.concatenate(found)


def _best(matrices: Float[np.ndarray, "D K K"], most: int, seed: int) -> Int[np.ndarray, "D K"]:
    """The best partitions; where none beats one group, that."""
    labels = best_partitions(matrices, most, seed)
    gains = partition_scores(matrices, labels)
    gains -= partition_scores(matrices, np.zeros_like(labels))
    better = gains > 1e-12 * np.abs(matrices).max(axis=(1, 2), initial=0.0)
    return in_order(np.where(better[:, None], labels, 0))


def _named(tasks: Sequence[str], labels: Int[np.ndarray, " K"]) -> tuple[tuple[str, ...], ...]:
    groups = range(int(labels.max()) + 1)
    return tuple(tuple(t for t, n in zip(tasks, labels, strict=True) if n == g) for g in groups)
