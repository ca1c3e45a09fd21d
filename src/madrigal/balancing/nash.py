"""A bargain between the tasks over the direction of the step."""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import Stateless, StepView
from madrigal.balancing.fairness import fair_weights
from madrigal.balancing.signal import weigh


@dataclass(frozen=True, slots=True)
class NashMtl(Stateless):
    """Tasks bargain for the direction (Nash-MTL; Navon et al., ICML 2022).

    Of all directions of one length, the one with the largest product of the tasks' gains d . g_k
    (Nash's solution). With G the Gramian of the K tasks' gradients g_k, d_k their lengths, and a_k
    the recipe's weight,

        w_k = a_k s v_k,   v > 0 with  (G v)_k = 1 / v_k  for every k,   s = 1 / sum_j (1 / d_j)

    Without the a_k the update harms no task, all tasks gain alike in proportion, its direction does
    not change when a loss is scaled, and its length is sqrt(K) s in every case. Orthogonal
    gradients get weights with the sum 1.

    Need: the Gramian. Cost: some Newton steps with K unknowns.

    Differs from the paper: v is the minimum of a strictly convex function (v' G v / 2 - sum_k log
    v_k) and found by Newton's method to rounding, not by a sequence of approximate convex programs
    from the last step's v; so there is no state and no solver to install. The paper cuts the update
    to length 1; here s lets the size follow the gradients, and clipping is the optimiser's. Where a
    mixture of the unit gradients is shorter than 0.01 the update becomes shorter too.
    """

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "gramian"

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        return weigh(view, lambda signal: fair_weights(signal, 1.0))
