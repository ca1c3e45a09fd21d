"""The shortest combination of the tasks' gradients."""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import Stateless, StepView
from madrigal.balancing.quadratic import shortest
from madrigal.balancing.signal import weigh


@dataclass(frozen=True, slots=True)
class Mgda(Stateless):
    """The direction that lowers all losses alike (MGDA; Désidéri, 2012; Sener and Koltun, 2018).

    With G the Gramian of the tasks' gradients g_k, G_ij = g_i . g_j, and a_k the recipe's weight,

        w_k = a_k v_k,   v = argmin  v' G v   subject to   v_k >= 0,  sum_k v_k = 1

    Without the a_k the update d = sum_k w_k g_k has d . g_k >= |d|^2 for every task: none is
    harmed, and d is zero exactly where no direction helps all. A task with a small gradient gets
    nearly all of the weight: MGDA sees to the slowest task.

    Need: the Gramian. Cost: a quadratic program of K unknowns.

    Differs from the paper: solved exactly instead of by Frank-Wolfe steps; gradients are not
    normalised first; tasks with a gradient of exactly zero take no part (they would stop all).
    """

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "gramian"

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        return weigh(view, lambda signal: shortest(signal.gramian))
