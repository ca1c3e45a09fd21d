"""Which knob mattered: the share of what trials differ by that goes with one knob alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from madrigal.evaluation.paired import holm
from madrigal.sweep.knob import Choices, Knob, Values, text_of
from madrigal.training.chance import derive

DRAWS = 2000
LEVEL = 0.95
FEW = 10  # trials a column of the fits; below, nothing but a strong knob can be seen


@dataclass(frozen=True, slots=True)
class Importance:
    """Of one knob for one score. `share` is of variance; `low` and `high` end its interval."""

    key: str
    share: float
    low: float
    high: float
    p: float
    p_holm: float

    @property
    def sure(self) -> bool:
        """Whether chance alone would hardly give so much, all knobs considered."""
        return self.p_holm <= 1 - LEVEL


def importances(
    knobs: Sequence[Knob], points: Sequence[Values], scores: Sequence[float], seed: int
) -> list[Importance]:
    """The importance of every knob for one score over trials.

    The scores are put in order, r = rank(y), so that one trial that went to pieces does not decide
    everything. Of each knob, r is fitted by a parabola in the place along the range (log scale
    where the range has one), or by the mean of each choice. With n trials, p fitted columns and
    R^2 the explained share,

        share = 1 - (1 - R^2) (n - 1) / (n - p - 1), at least 0

    which for points drawn by chance estimates the knob's first-order Sobol index (Sobol, 1993):
    Var(E[r | x]) / Var(r). What knobs do only together it does not show. The interval is a
    percentile bootstrap over trials, R^2 there corrected for twice the columns, since a resample
    fits its own repetitions. p is the share of random orders of r that a fit explains as well,
    exact for points that chance alone drew; Holm's adjustment over the knobs.

    Nothing where there are too few trials for any fit, or all scores are equal.
    """
    if not points:
        return []
    y = _ranks(np.asarray(scores, dtype=np.float64))
    found = []
    for knob in knobs:
        x = columns(knob, [one[knob.key] for one in points])
        n, p = x.shape
        if n > 2 * p + 3 and p > 0 and y.std() > 0:
            found.append(_importance(knob.key, x, y, derive(seed, "importance", knob.key)))
    adjusted = holm([one.p for one in found])
    return [replace(one, p_holm=p) for one, p in zip(found, adjusted, strict=True)]


def columns(knob: Knob, values: Sequence[object]) -> Float[np.ndarray, "n p"]:
    """What a fit of one knob may use, centred; a column that says nothing is left out."""
    if isinstance(knob, Choices):
        labels = np.array([text_of(value) for value in values], dtype=object)
        kinds = sorted(set(labels))[1:]
        x = np.zeros((len(labels), len(kinds)))
        for place, kind in enumerate(kinds):
            x[:, place] = labels == kind
    else:
        u = np.array([2 * knob.share(float(str(value))) - 1 for value in values])
        x = np.stack([u, 1.5 * u**2 - 0.5], axis=1)
    x = x - x.mean(axis=0)
    return x[:, np.abs(x).max(axis=0, initial=0.0) > 1e-12]


def _importance(
    key: str, x: Float[np.ndarray, "n p"], y: Float[np.ndarray, " n"], seed: int
) -> Importance:
    n, p = x.shape
    chance = np.random.default_rng(seed)
    r2 = float(_explained(x[None], y[None])[0])
    orders = np.stack([chance.permutation(n) for _ in range(DRAWS)])
    by_chance = _explained(x[None], y[orders])
    rows = chance.integers(0, n, (DRAWS, n))
    again = 1 - (1 - _explained(x[rows], y[rows])) * (n - 1) / (n - 1 - 2 * p)
    low, high = np.quantile(np.clip(again, 0.0, 1.0), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    share = _adjusted(r2, n, p)
    p_value = (1 + int((by_chance >= r2 - 1e-12).sum())) / (1 + DRAWS)
    ends = (min(float(low), share), max(float(high), share))
    return Importance(key, share, *ends, p_value, p_value)


def _explained(
    x: Float[np.ndarray, "#draws n p"], y: Float[np.ndarray, "draws n"]
) -> Float[np.ndarray, " draws"]:
    """R^2 of the least-squares fit of each row of `y` by the columns of `x` and a constant.

    With both centred it is c^T G^+ c / y^T y, where G = x^T x and c = x^T y.
    """
    x = x - x.mean(axis=1, keepdims=True)
    y = y - y.mean(axis=1, keepdims=True)
    inverse = np.linalg.pinv(np.einsum("bnp,bnq->bpq", x, x), rcond=1e-9, hermitian=True)
    c = np.einsum("bnp,bn->bp", np.broadcast_to(x, (len(y), *x.shape[1:])), y)
    fitted = np.einsum("bp,bpq,bq->b", c, np.broadcast_to(inverse, (len(y), *inverse.shape[1:])), c)
    return fitted / np.maximum((y**2).sum(axis=1), 1e-300)


def _adjusted(r2: float, n: int, p: int) -> float:
    return float(np.clip(1 - (1 - r2) * (n - 1) / (n - p - 1), 0.0, 1.0))


def _ranks(y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Ranks from 0, equal values at the mean of theirs."""
    order = np.argsort(y, kind="stable")
    ranks = np.empty(len(y))
    ranks[order] = np.arange(len(y))
    for value in np.unique(y):
        same = y == value
        ranks[same] = ranks[same].mean()
    return ranks


def enough(knobs: Sequence[Knob], points: Sequence[Values]) -> Mapping[str, int]:
    """Knobs with fewer trials than `FEW` for each column of their fit, and how many they need."""
    if not points:
        return {}
    widths = {knob.key: columns(knob, [p[knob.key] for p in points]).shape[1] for knob in knobs}
    return {key: FEW * width for key, width in widths.items() if len(points) < FEW * width}
