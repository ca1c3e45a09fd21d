"""Which tasks should share an adapter: groups by affinity, how stable they are, what they gain."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from madrigal.evaluation.affinity import Measure, StepAffinity
from madrigal.evaluation.blocks import Blocks
from madrigal.evaluation.cosine import LEAST_STEPS
from madrigal.evaluation.elsewhere import SPANS, WIDER, Elsewhere
from madrigal.evaluation.paired import holm
from madrigal.evaluation.partition import (
    EXACT,
    best_partitions,
    in_order,
    partition_scores,
)
from madrigal.evaluation.task_gradients import Bounded

ALARM = 0.05  # of the adjusted p of a task that loses


@dataclass(frozen=True, slots=True)
class Grouping:
    """The best partition of a stage's tasks by measured affinity.

    `affinity[i, j]` is the mean over measured steps of what a step on task i does to task j, as a
    share of j's loss, `low` and `high` the ends of its interval; NaN on the diagonal. `score` and
    `together` are what a task gets from its group mates, averaged over tasks: in these groups, and
    with all in one. `gain` is the difference, freed of the luck of the choice, except with too few
    steps, where its ends are None; `by_task` is the same for each scored task alone, and `losers`
    are those that surely get less than with all in one. `pairs[i, j]` is the share of the draws
    that put i and j together when they may have as many groups, `stability` that of the draws whose
    best partition is this one.
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
    by_task: Mapping[str, Bounded]
    losers: tuple[str, ...]
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
    A mean that gains may hide a task that loses: `by_task` and `losers` tell.
    """
    tasks, steps = found.tasks, len(found.values)
    values, unmeasured = _filled(found.values)
    draws = blocks.sums(values.reshape(steps, -1)).reshape(-1, len(tasks), len(tasks)) / steps
    low, high = _ends(draws, blocks, steps)
    mean, blank = values.mean(axis=0), np.eye(len(tasks), dtype=bool) | unmeasured
    counts = _receivers(tasks, scored)
    counted = (mean * counts)[None]
    most, gained = _judged(values * counts, most, blocks)
    labels = _best(counted, most, blocks.seed)
    own = _best(draws * counts, most, blocks.seed)
    together = float(partition_scores(counted, np.zeros_like(labels))[0])
    score = float(partition_scores(counted, labels)[0])
    by_task, losers = _by_task(tasks, gained, counts, blocks)
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
        gain=Bounded(score - together) if gained is None else _bounded(gained.mean(axis=1), blocks),
        by_task=by_task,
        losers=losers,
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
) -> tuple[int, Float[np.ndarray, "T K"] | None]:
    """How many groups there may be, and what each task gains by so many over one, step by step;
    None with too few steps."""
    steps, tasks, _ = values.shape
    if steps < LEAST_STEPS:
        return most or tasks, None
    chosen = Elsewhere(values, blocks)
    if most is None:
        return chosen.count(range(SPANS)), chosen.gains_of_rule()
    return most, chosen.gains(range(SPANS))[:, most - 1]


def _by_task(
    tasks: Sequence[str],
    gained: Float[np.ndarray, "T K"] | None,
    counts: Float[np.ndarray, " K"],
    blocks: Blocks,
) -> tuple[dict[str, Bounded], tuple[str, ...]]:
    """Each counted task's mean gain, and the tasks whose gain is surely below 0, corrected for
    their number (Holm, 1979)."""
    if gained is None:
        return {}, ()
    names = [task for task, count in zip(tasks, counts, strict=True) if count]
    own = gained[:, counts > 0] / counts.max()
    steps, mean = len(own), own.mean(axis=0)
    draws = mean + WIDER * (blocks.sums(own) / steps - mean)
    below = holm(blocks.p_below(mean, draws, steps).tolist())
    found = {task: _bounded(own[:, k], blocks) for k, task in enumerate(names)}
    return found, tuple(task for task, p in zip(names, below, strict=True) if p < ALARM)


def _bounded(gained: Float[np.ndarray, " T"], blocks: Blocks) -> Bounded:
    """The mean over steps, with an interval as wide as cross-validation needs."""
    steps, value = len(gained), float(gained.mean())
    low, high = blocks.ends(blocks.sums(gained[:, None]) / steps, steps)
    below, above = (
        WIDER * max(end, 0.0) for end in (value - float(low[0]), float(high[0]) - value)
    )
    return Bounded(value, value - below, value + above)


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
