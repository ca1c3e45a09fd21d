"""The mean gradient, bent until it harms no task."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import Stateless, StepView
from madrigal.balancing.quadratic import in_dual_cone
from madrigal.balancing.signal import Signal, weigh


@dataclass(frozen=True, slots=True)
class DualProj(Stateless):
    """The nearest to the mean gradient that harms no task (GEM; Lopez-Paz and Ranzato, 2017).

    With K tasks that have a gradient, G_ij = g_i . g_j their Gramian, and a_k the recipe's weight,

        w_k = a_k v_k,   v = argmin  v' G v   subject to   v >= 1 / K   (each entry)

    v are the weights of the mean gradient projected on the dual cone {d : d . g_k >= 0 for every
    k}. Without the a_k the update harms no task. Where the mean harms none, w_k = a_k / K.

    Need: the Gramian. Cost: a quadratic program of K unknowns.

    Differs from the paper: GEM projects the gradient of the present task on the cone of those of
    the tasks before it; here all tasks are present and the mean is projected (the name and this
    form are those of Quinton and Rey, 2024).
    """

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "gramian"

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        return weigh(view, projected_mean)


def projected_mean(signal: Signal) -> Float[np.ndarray, " n"]:
    """Weights of the mean gradient, projected on the dual cone."""
    count = len(signal.norms)
    return in_dual_cone(signal.cosines, signal.norms, np.full((1, count), 1 / count))[0]
