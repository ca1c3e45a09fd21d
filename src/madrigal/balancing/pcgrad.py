"""Conflicting parts of the gradients projected away, pair by pair."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import Stateless, StepView
from madrigal.balancing.orders import orders
from madrigal.balancing.signal import Signal, weigh


@dataclass(frozen=True, slots=True)
class PcGrad(Stateless):
    """Removes from each gradient what opposes another's (PCGrad; Yu et al., NeurIPS 2020).

    For each of the K tasks, i, over the others j in random order, starting from p_i = g_i:

        if p_i . g_j < 0:   p_i <- p_i - (p_i . g_j / |g_j|^2) g_j

    The update is sum_i p_i / K. Written as p_i = sum_k b_ik g_k, only the b_ik change, and they
    need no more than the Gramian G: p_i . g_j = (G b_i)_j. With a_k the recipe's weight,

        w_k = a_k sum_i b_ik / K

    Where nothing conflicts w_k = a_k / K. With two tasks the update harms none and is that of
    `upgrad`; with more, a later projection may undo an earlier one.

    Need: the Gramian. Cost: nothing.

    Differs from the paper: the mean instead of the sum; the orders belong to seed, step and the
    names of the tasks, so that a resumed run draws the same.
    """

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "gramian"

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        return weigh(view, lambda signal: _projected(view, signal))


def _projected(view: StepView, signal: Signal) -> Float[np.ndarray, " n"]:
    """In units of each gradient's own length, where projecting is subtracting a cosine."""
    count = len(signal.norms)
    each = np.arange(count)
    held = np.diag(signal.norms)  # p_i in the basis of unit gradients
    for j in orders(view, signal.tasks, "pcgrad").T:
        along = np.einsum("ik,ik->i", held, signal.cosines[j])
        held[each, j] -= np.minimum(along, 0.0)
    return held.sum(axis=0) / signal.norms / count
