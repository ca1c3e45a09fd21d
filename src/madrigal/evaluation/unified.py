"""One number for many tasks: the unified score, and delta_m against single-task models.

Every quantity is computed once from the scores and once from each bootstrap draw of them, so its
interval comes from the same draws as those of its parts; where the draws of a part do not differ,
its own interval enters instead (see `parts`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from madrigal.evaluation.intervals import Drawn, Resampling
from madrigal.evaluation.parts import Part, Summary, Table, change, combined, level, mean, summary

# Below this, a reference above chance (or a baseline to divide by) is too near 0 for a ratio.
NEAR_ZERO = 0.05

Values = Float[np.ndarray, " B"]


@dataclass(frozen=True, slots=True)
class Scale:
    """What turns a task's score into a share: its chance, and whether lower is better."""

    chance: float
    lower_is_better: bool = False

    def gain(self, value: Values) -> Values:
        """The score where more is better: itself, or minus the nats per token of a perplexity."""
        return -np.log(value) if self.lower_is_better else value

    def level(self, score: Drawn) -> Part:
        """The score as a gain."""
        return combined(lambda table: self.gain(table[0]), [level(score)])

    def change(self, before: Drawn, after: Drawn, confidence: float) -> Part:
        """The paired difference of two scores, in gain."""
        return change(before, after, confidence, self.gain if self.lower_is_better else None)

    @property
    def best(self) -> float:
        """The gain of a perfect model: a score of 1, or a perplexity of 1."""
        return 0.0 if self.lower_is_better else 1.0

    @property
    def guess(self) -> float:
        """The gain of guessing."""
        return float(self.gain(np.array([self.chance]))[0])


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


def unified(
    scores: Mapping[str, Drawn],
    references: Mapping[str, Drawn],
    scales: Mapping[str, Scale],
    resampling: Resampling,
) -> Unified | None:
    """The unified score of one model over all its scored tasks; None without any."""
    if not scores:
        return None
    spans = {task: _span(references.get(task), scales[task]) for task in scores}
    parts = {
        task: _share(score, references.get(task), scales[task], resampling)
        for task, score in scores.items()
    }
    worst = min(parts, key=lambda task: parts[task].value)
    return Unified(
        mean=summary(mean(list(parts.values())), resampling),
        worst=summary(parts[worst], resampling),
        worst_task=worst,
        geometric=summary(combined(_geometric, list(parts.values())), resampling),
        tasks={task: summary(part, resampling) for task, part in parts.items()},
        against_perfect=tuple(task for task, span in spans.items() if span is None),
    )


def unified_gain(
    before: Mapping[str, Drawn],
    after: Mapping[str, Drawn],
    references: Mapping[str, Drawn],
    scales: Mapping[str, Scale],
    resampling: Resampling,
) -> Summary | None:
    """How much higher the second model's unified score is, over the tasks that both have."""
    parts = []
    for task in [task for task in before if task in after]:
        scale, reference = scales[task], references.get(task)
        gained = scale.change(before[task], after[task], resampling.confidence)
        parts.append(_over(gained, reference, scale, lambda table: table[0]))
    return summary(mean(parts), resampling) if parts else None


def _geometric(table: Table) -> Values:
    with np.errstate(divide="ignore"):
        return np.exp(np.log(np.maximum(table, 0.0)).mean(axis=0))


def _span(reference: Drawn | None, scale: Scale) -> Part | None:
    """How far the reference lies above chance; None where a perfect score stands in for it."""
    if reference is None:
        return None
    span = combined(lambda table: table[0] - scale.guess, [scale.level(reference)])
    return span if span.value >= NEAR_ZERO else None


def _share(score: Drawn, reference: Drawn | None, scale: Scale, resampling: Resampling) -> Part:
    """u of the score: 1 plus its distance to the reference in spans, as the two are paired."""
    if reference is None or _span(reference, scale) is None:
        return _over(scale.level(score), None, scale, lambda table: table[0] - scale.guess)
    distance = scale.change(reference, score, resampling.confidence)
    return _over(distance, reference, scale, lambda table: table[0] + table[1])


def _over(
    part: Part, reference: Drawn | None, scale: Scale, above: Callable[[Table], Values]
) -> Part:
    """What `above` makes of the part (and the span), divided by the span."""
    span = _span(reference, scale)
    if span is None:
        perfect = max(scale.best - scale.guess, NEAR_ZERO)
        return combined(lambda table: above(table) / perfect, [part])
    return combined(lambda table: above(table) / np.maximum(table[1], NEAR_ZERO), [part, span])


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
    parts: dict[str, Part] = {}
    shared = [task for task in scores if task in baselines]
    for task in shared:
        scale, single = scales[task], level(baselines[task])
        gained = scale.change(baselines[task], scores[task], resampling.confidence)
        if scale.lower_is_better:
            parts[task] = combined(lambda table: 100 * table[0], [gained])
        elif single.value >= NEAR_ZERO:
            parts[task] = combined(_percent, [gained, single])
    left_out = tuple(task for task in shared if task not in parts)
    if not parts:
        return None, {}, left_out
    each = {task: summary(part, resampling) for task, part in parts.items()}
    return summary(mean(list(parts.values())), resampling), each, left_out


def _percent(table: Table) -> Values:
    return 100 * table[0] / np.maximum(table[1], NEAR_ZERO)
