"""Each task's gradient bent until it harms none, then the mean of them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import Stateless, StepView
from madrigal.balancing.quadratic import in_dual_cone
from madrigal.balancing.signal import Signal, weigh


@dataclass(frozen=True, slots=True)
class UpGrad(Stateless):
    """Projects every gradient on the directions that harm no task (UPGrad; Quinton and Rey, 2024).

    With K tasks that have a gradient, G_ij = g_i . g_j their Gramian, e_i the unit vector of task
    i, and a_k the recipe's weight,

        w_k = a_k sum_i v_ik,   v_i = argmin  v' G v   subject to   v >= e_i / K   (each entry)

    v_i are the weights of g_i / K projected on the dual cone {d : d . g_k >= 0 for every k}.
    Without the a_k the update harms no task, grows in proportion when one task's gradient grows,
    and is zero only where some combination of all gradients with positive weights is. Where nothing
    conflicts w_k = a_k / K.

    Need: the Gramian. Cost: K quadratic programs of K unknowns, solved together.

    Differs from the paper: nothing but the solver; the paper's implementation adds a multiple of
    the identity to G, this one does not.
    """

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "gramian"

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        return weigh(view, _projected)


def _projected(signal: Signal) -> Float[np.ndarray, " n"]:
    count = len(signal.norms)
    return in_dual_cone(signal.cosines, signal.norms, np.eye(count) / count).sum(0)
