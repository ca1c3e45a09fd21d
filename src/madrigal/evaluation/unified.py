"""One number for many tasks: the unified score, and delta_m against single-task models.

Every quantity is computed once from the scores and once from each bootstrap draw of them, so its
interval comes from the same draws as those of its parts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from madrigal.evaluation.intervals import Drawn, Resampling

# Below this, a reference above chance (or a baseline to divide by) is too near 0 for a ratio.
NEAR_ZERO = 0.05

Values = Float[np.ndarray, " B"]


@dataclass(frozen=True, slots=True)
class Summary:
    """A value over many tasks with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Scale:
    """What turns a task's score into a share: its chance, and whether lower is better."""

    chance: float
    lower_is_better: bool = False

    def gain(self, value: Values) -> Values:
        """The score where more is better: itself, or minus the nats per token of a perplexity."""
        return -np.log(value) if self.lower_is_better else value

    @property
    def best(self) -> float:
        """The gain of a perfect model: a score of 1, or a perplexity of 1."""
        return 0.0 if self.lower_is_better else 1.0


@dataclass(frozen=True, slots=True)
class Unified:
    """The unified score (version 1): mean over tasks of u = (s - chance) / (reference - chance).

    0 is guessing, 1 is the reference: the single-task model, or a perfect score where there is no
    single-task model or it is less than 0.05 above chance (`against_perfect` names these tasks).
    A perplexity enters by its nats per token, with chance at 8 bits per byte. `geometric` is the
    geometric mean, with negative u taken as 0; `worst` the smallest u.
    """

    mean: Summary
    worst: Summary
    worst_task: str
    geometric: Summary
    tasks: Mapping[str, Summary]
    against_perfect: tuple[str, ...]
    joined: Values  # the mean, and behind it the mean of every draw


def unified(
    scores: Mapping[str, Drawn],
    references: Mapping[str, Drawn],
    scales: Mapping[str, Scale],
    resampling: Resampling,
) -> Unified | None:
    """The unified score of one model over all its scored tasks; None without any."""
    if not scores:
        return None
    parts = {
        task: _share(score, references.get(task), scales[task]) for task, score in scores.items()
    }
    table = np.stack([part for part, _ in parts.values()])  # tasks x (1 + draws): the value first
    worst = int(np.argmin(table[:, 0]))
    with np.errstate(divide="ignore"):
        geometric = np.exp(np.log(np.maximum(table, 0.0)).mean(axis=0))
    return Unified(
        mean=summary(table.mean(axis=0), resampling),
        worst=summary(table[worst], resampling),
        worst_task=list(parts)[worst],
        geometric=summary(geometric, resampling),
        tasks={task: summary(part, resampling) for task, (part, _) in parts.items()},
        against_perfect=tuple(task for task, (_, perfect) in parts.items() if perfect),
        joined=table.mean(axis=0),
    )


def _share(score: Drawn, reference: Drawn | None, scale: Scale) -> tuple[Values, bool]:
    """u of the score and of each draw, and whether the reference is a perfect score."""
    chance = float(scale.gain(np.array([scale.chance]))[0])
    above = scale.gain(_joined(score)) - chance
    if reference is not None:
        span = scale.gain(_joined(reference)) - chance
        if span[0] >= NEAR_ZERO:
            return above / np.maximum(span, NEAR_ZERO), False
    return above / max(scale.best - chance, NEAR_ZERO), True


def delta_m(
    scores: Mapping[str, Drawn],
    baselines: Mapping[str, Drawn],
    scales: Mapping[str, Scale],
    resampling: Resampling,
) -> tuple[Summary | None, dict[str, Summary], tuple[str, ...]]:
    """Delta-m in the gain convention (version 1), in percent; per task; and tasks left out.

    100/T times the sum over tasks of (M - S) / S, with M the multi-task and S the single-task
    score: positive is better than single-task models. A perplexity enters by the absolute
    difference of its nats per token, S - M, for which 0.01 is about one percent of perplexity.
    Tasks with S below 0.05 have no ratio and are left out; without any task the mean is None.
    """
    parts: dict[str, Values] = {}
    shared = [task for task in scores if task in baselines]
    for task in shared:
        scale = scales[task]
        mine, single = (scale.gain(_joined(drawn[task])) for drawn in (scores, baselines))
        if scale.lower_is_better:
            parts[task] = 100 * (mine - single)
        elif single[0] >= NEAR_ZERO:
            parts[task] = 100 * (mine - single) / np.maximum(single, NEAR_ZERO)
    left_out = tuple(task for task in shared if task not in parts)
    if not parts:
        return None, {}, left_out
    mean = np.mean(list(parts.values()), axis=0)
    each = {task: summary(part, resampling) for task, part in parts.items()}
    return summary(mean, resampling), each, left_out


def summary(joined: Values, resampling: Resampling) -> Summary:
    """The value in front with the percentile interval of the draws behind it."""
    value = float(joined[0])
    low, high = resampling.percentiles(joined[1:])
    return Summary(value, min(low, value), max(high, value))


def _joined(drawn: Drawn) -> Values:
    return np.concatenate([[drawn.score.value], drawn.values])
