"""Near the mean gradient, the direction that helps the worst-off task most."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import Stateless, StepView
from madrigal.balancing.dualproj import projected_mean
from madrigal.balancing.quadratic import shortest
from madrigal.balancing.signal import Signal, weigh

_ZERO = 1e-7  # a mixture of gradients is zero when shorter than this share of its parts
_EXACT = 1e-11  # of the logarithm of the multiplier
_STEPS = 100


@dataclass(frozen=True, slots=True)
class CaGrad(Stateless):
    """The best direction for the worst-off task in a ball (CAGrad; Liu et al., 2021).

    With g_0 the mean of the K tasks' gradients and g_v = sum_k v_k g_k, the direction is

        d = argmax  min_k d . g_k   subject to   |d - g_0| <= c |g_0|
          = g_0 + c |g_0| g_v / |g_v|,   v = argmin on the simplex  g_v . g_0 + c |g_0| |g_v|

    and so, with a_k the recipe's weight,  w_k = a_k (1 / K + c |g_0| v_k / |g_v|) / (1 + c). `c`
    is the radius: 0 is equal weighting, and without the a_k no task is harmed from 1 on.

    Need: the Gramian. Cost: some ten quadratic programs of K unknowns.

    Differs from the paper: divided by 1 + c, so that tasks that agree, and one task alone, give
    their mean gradient (the authors' code offers this as a choice). Where some combination of the
    gradients is zero, so that the paper's quotient has no value, d is the maximiser nearest to
    g_0: g_0 projected on the directions that harm no task.
    """

    c: float

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "gramian"

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        return weigh(view, self._rule)

    def _rule(self, signal: Signal) -> Float[np.ndarray, " n"]:
        vectors = _vectors(signal)
        count = len(vectors)
        mean = np.full(count, 1 / count)
        radius = self.c * float(np.linalg.norm(mean @ vectors))
        if radius <= _ZERO:
            return mean / (1 + self.c)
        mixture = shortest(signal.gramian)
        if np.linalg.norm(mixture @ vectors) <= _ZERO * np.linalg.norm(mixture * signal.norms):
            nearest = projected_mean(signal)
            if np.linalg.norm((nearest - mean) @ vectors) <= radius * (1 + 1e-9):
                return nearest / (1 + self.c)
        multiplier = _multiplier(vectors, radius)
        return (mean + multiplier * _pull(vectors, multiplier)) / (1 + self.c)


def _vectors(signal: Signal) -> Float[np.ndarray, "n n"]:
    """Rows with the Gramian of the gradients: the gradients, turned into n dimensions."""
    values, turns = np.linalg.eigh(signal.cosines)
    return signal.norms[:, None] * turns * np.sqrt(np.maximum(values, 0.0))


def _pull(vectors: Float[np.ndarray, "n n"], multiplier: float) -> Float[np.ndarray, " n"]:
    """The v of the simplex that minimises  g_v . g_0 + multiplier |g_v|^2 / 2.

    That is the shortest mixture of the vectors g_k + g_0 / multiplier.
    """
    shifted = vectors + vectors.mean(axis=0) / multiplier
    return shortest(shifted @ shifted.T)


def _multiplier(vectors: Float[np.ndarray, "n n"], radius: float) -> float:
    """The multiplier m whose m g_v leads as far from g_0 as `radius`.

    The way m |g_v| never falls as m grows. No mixture is longer than the longest gradient, which
    has length 1 here: the search starts with m = radius and grows until it is too far.
    """

    def too_far(log_multiplier: float) -> float:
        multiplier = math.exp(log_multiplier)
        way = multiplier * float(np.linalg.norm(_pull(vectors, multiplier) @ vectors))
        return math.log(max(way, 1e-300) / radius)

    low = high = math.log(radius)
    below = above = too_far(low)
    while above < 0 and high < low + 40:
        low, below = high, above
        high += 1.0
        above = too_far(high)
    return math.exp(_root(too_far, (low, below), (high, above)))


def _root(
    function: Callable[[float], float], low: tuple[float, float], high: tuple[float, float]
) -> float:
    """Where a function that never falls is zero, between two points with their values.

    False position with the Illinois rule, and a halving wherever that is slow.
    """
    (left, below), (right, above) = low, high
    kept = 0  # which end has stayed: its value is halved, so that it moves too
    for step in range(_STEPS):
        if above <= 0 or right - left <= _EXACT:
            return right
        slope = (above - below) / (right - left) if right > left else 1.0
        middle = (left + right) / 2 if step % 4 == 3 else left - below / slope
        value = function(middle)
        if abs(value) <= _EXACT:
            return middle
        if value > 0:
            right, above = middle, value
            below, kept = (below / 2, -1) if kept < 0 else (below, -1)
        else:
            left, below = middle, value
            above, kept = (above / 2, 1) if kept > 0 else (above, 1)
    return (left + right) / 2
