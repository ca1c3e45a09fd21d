"""Gradients turned towards each other until they agree as well as they used to."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import StepView
from madrigal.balancing.orders import orders
from madrigal.balancing.signal import Signal, has_gradient, signal_of, weigh

_HIGHEST = 1 - 1e-6  # of a target: to agree wholly would take an infinite share of the other


@dataclass(frozen=True, slots=True)
class GradVac:
    """Turns each gradient towards the others' (Gradient Vaccine; Wang et al., ICLR 2021).

    For each of the K tasks, i, over the others j in random order, starting from p_i = g_i: with
    s = cos(p_i, g_j) and t_ij the moving average of these cosines, 0 at first,

        if s < t_ij:   p_i <- p_i + |p_i| (t_ij sqrt(1 - s^2) - s sqrt(1 - t_ij^2))
                                   / (|g_j| sqrt(1 - t_ij^2))  g_j
        t_ij <- (1 - rate) t_ij + rate s

    after which cos(p_i, g_j) is t_ij. The update is sum_i p_i / K. Written as p_i = sum_k b_ik g_k,
    all of it follows from the Gramian, and with a_k the recipe's weight,

        w_k = a_k sum_i b_ik / K

    The first step is PCGrad's. `update` moves the averages of the pairs that are present; the
    others keep theirs.

    Need: the Gramian. Cost: nothing.

    Differs from the paper: one target for a pair of tasks, over all shared parameters together;
    the mean instead of the sum; targets stay below 1 - 1e-6; the orders belong to seed, step and
    the names of the tasks.
    """

    rate: float
    _state: dict[str, float] = field(default_factory=dict, repr=False)  # "i|j" to t_ij

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "gramian"

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        return weigh(view, lambda signal: self._turned(view, signal)[0])

    def update(self, view: StepView) -> None:
        if not has_gradient(view).any():
            return
        signal = signal_of(view)
        seen = self._turned(view, signal)[1]
        for i, first in enumerate(signal.tasks):
            for j, second in enumerate(signal.tasks):
                if i != j:
                    pair = f"{first}|{second}"
                    old = self._state.get(pair, 0.0)
                    self._state[pair] = (1 - self.rate) * old + self.rate * float(seen[i, j])

    def state_dict(self) -> dict[str, Any]:
        return dict(self._state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._state.clear()
        self._state.update(state)

    def _turned(
        self, view: StepView, signal: Signal
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n n"]]:
        """The weights, and the cosine that each task saw with each other."""
        count = len(signal.norms)
        each = np.arange(count)
        targets = self._targets(signal.tasks)
        seen = np.zeros((count, count))
        held = np.eye(count)  # p_i / |g_i| in the basis of unit gradients
        for j in orders(view, signal.tasks, "gradvac").T:
            lengths = np.sqrt(np.maximum(np.einsum("ik,kl,il->i", held, signal.cosines, held), 0))
            along = np.einsum("ik,ik->i", held, signal.cosines[j])
            cosine = np.clip(along / np.maximum(lengths, 1e-150), -1.0, 1.0)
            target = targets[each, j]
            seen[each, j] = cosine
            turn = lengths * (target * _sine(cosine) / _sine(target) - cosine)
            held[each, j] += np.where(cosine < target, turn, 0.0)
        weights = (signal.norms[:, None] * held).sum(axis=0) / signal.norms / count
        return weights, seen

    def _targets(self, tasks: tuple[str, ...]) -> Float[np.ndarray, "n n"]:
        known = [[self._state.get(f"{i}|{j}", 0.0) for j in tasks] for i in tasks]
        return np.minimum(np.array(known), _HIGHEST)


def _sine(cosine: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return np.sqrt(1.0 - cosine**2)
