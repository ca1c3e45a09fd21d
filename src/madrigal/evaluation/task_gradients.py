"""What the gradients say of each task alone, and of what each task's step does to the others."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from madrigal.evaluation.blocks import Blocks
from madrigal.evaluation.cosine import LEAST_STEPS
from madrigal.evaluation.gradient_log import GradientLog, as_many_as

_ENDLESS = 1e300  # stands for infinity: a quantile between that and a number would be no number


@dataclass(frozen=True, slots=True)
class Bounded:
    """A number with its interval; an end is None where it is not bounded or not known."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class TaskGradient:
    """One task over the measured steps.

    `pull` is its part of the update: |w g| over the sum of the tasks' |w g|. `noise_scale` is in
    examples, None where it is not known, its value infinite where no
    signal rises above the noise.
    """

    task: str
    norm: float
    pull: float | None
    examples: float | None  # a step
    noise_scale: Bounded | None


@dataclass(frozen=True, slots=True)
class Affinity:
    """First-order task affinity of `giver` to `receiver`, summed over the measured steps.

    `effect` is the relative fall of the receiver's loss that the giver's steps predict, `share` the
    same in relation to what the receiver's own steps predict; None where those are not above 0.
    """

    giver: str
    receiver: str
    effect: Bounded
    share: float | None


def task_gradients(log: GradientLog, blocks: Blocks) -> tuple[TaskGradient, ...]:
    """Norm, part of the update and noise scale of every task."""
    pulls = log.weight * log.norm
    with np.errstate(invalid="ignore", divide="ignore"):
        pulls = pulls / np.nansum(pulls, axis=1, keepdims=True)
    return tuple(
        TaskGradient(
            task=task,
            norm=_mean(log.norm[:, k], log) or 0.0,
            pull=_mean(pulls[:, k], log),
            examples=_mean(log.rows[:, k], log),
            noise_scale=noise_scale(log, k, blocks),
        )
        for k, task in enumerate(log.tasks)
    )


def noise_scale(log: GradientLog, task: int, blocks: Blocks) -> Bounded | None:
    """The simple gradient noise scale of one task, in examples (McCandlish et al., 2018, eq. 2.9).

        B = tr(Sigma) / |G|^2 = sum_t n(t) (|g(t)|^2 - s(t)) / sum_t s(t)

    Sigma is the covariance of one example's gradient and G the expected gradient; g is the mean
    over the n examples of the task in step t, so E |g|^2 = |G|^2 + tr(Sigma) / n, and s is the
    unbiased estimate of |G|^2 from the halves. With B examples a step noise and signal are equal.
    """
    terms = np.stack(
        [
            log.rows[:, task] * (log.norm[:, task] ** 2 - log.signal[:, task]),
            log.signal[:, task],
        ],
        axis=1,
    )
    used = np.isfinite(terms).all(axis=1)
    stand = log.stands_for[used]
    terms = stand[:, None] * terms[used]
    if len(terms) < LEAST_STEPS:
        return None
    value = _scale(terms.sum(axis=0))
    low, high = blocks.ends(_scale(blocks.sums(terms))[:, None], as_many_as(stand))
    low, high = min(float(low[0]), float(value)), max(float(high[0]), float(value))
    return Bounded(
        math.inf if value >= _ENDLESS else float(value),
        None if low >= _ENDLESS else low,
        None if high >= _ENDLESS else high,
    )


def _scale(sums: Float[np.ndarray, "*draws 2"]) -> Float[np.ndarray, "*draws"]:
    noise, signal = np.maximum(sums[..., 0], 0.0), sums[..., 1]
    return np.where(signal > 0, noise / np.where(signal > 0, signal, 1.0), 2 * _ENDLESS)


def affinities(log: GradientLog, blocks: Blocks) -> tuple[Affinity, ...]:
    """First-order affinity of every task to every other (TAG, Fifty et al., 2021).

        Z_ij = sum_t w(t) lr(t) g_i(t) . g_j(t) / L_j(t)

    w(t) is how many steps a measured one stands for, 1 on average. To first order, the relative
    fall of task j's loss through steps of size lr along task i's gradient. Differs from the paper:
    no step is taken to try, and sums stand for means. With a raw metric the step is that of plain
    gradient descent, whatever the optimiser: compare the numbers of one run, and do not read them
    as losses.
    """
    stand = log.stands_for
    fall = stand[:, None, None] * falls(log)
    owns = [_total(fall[:, j, j]) for j in range(len(log.tasks))]
    found = []
    for i, j in log.pairs:
        for giver, receiver in ((i, j), (j, i)):
            given = fall[:, giver, receiver]
            known = np.isfinite(given)
            if not known.any():
                continue
            effect = _bounded(given[known], blocks, as_many_as(stand[known]))
            share = _share(given, fall[:, receiver, receiver]) if owns[receiver] > 0 else None
            found.append(Affinity(log.tasks[giver], log.tasks[receiver], effect, share))
    return tuple(found)


def falls(log: GradientLog) -> Float[np.ndarray, "T K K"]:
    """Z_ij(t) = lr(t) g_i(t) . g_j(t) / L_j(t) of every measured step; NaN where not measured.

    On the diagonal stands what a task's step does to itself, from the unbiased squared norm.
    """
    found = np.full((len(log.steps), len(log.tasks), len(log.tasks)), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        for pair, (i, j) in enumerate(log.pairs):
            reach = log.rate * log.dot(pair)
            found[:, i, j], found[:, j, i] = reach / log.loss[:, j], reach / log.loss[:, i]
        for k in range(len(log.tasks)):
            found[:, k, k] = log.rate * log.signal[:, k] / log.loss[:, k]
    return np.where(np.isfinite(found), found, np.nan)


def _total(fall: Float[np.ndarray, " T"]) -> float:
    return float(fall[np.isfinite(fall)].sum())


def _share(given: Float[np.ndarray, " T"], own: Float[np.ndarray, " T"]) -> float | None:
    """Both over the steps that measured both."""
    both = np.isfinite(given) & np.isfinite(own)
    whole = float(own[both].sum())
    return float(given[both].sum()) / whole if whole > 0 else None


def _bounded(values: Float[np.ndarray, " N"], blocks: Blocks, known_by: int) -> Bounded:
    total = float(values.sum())
    if len(values) < LEAST_STEPS:
        return Bounded(total)
    low, high = blocks.ends(blocks.sums(values[:, None]), known_by)
    return Bounded(total, min(float(low[0]), total), max(float(high[0]), total))


def _mean(values: Float[np.ndarray, " T"], log: GradientLog) -> float | None:
    known = np.isfinite(values)
    return float(np.average(values[known], weights=log.stands_for[known])) if known.any() else None
