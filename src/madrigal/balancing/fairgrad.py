"""Progress shared among the tasks as among users of a network."""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import Stateless, StepView
from madrigal.balancing.fairness import fair_weights
from madrigal.balancing.signal import weigh


@dataclass(frozen=True, slots=True)
class FairGrad(Stateless):
    """Alpha-fair shares of the progress (FairGrad; Ban and Ji, ICML 2024).

    Of all directions of one length, the one with the largest sum of the tasks' alpha-fair utilities
    (d . g_k)^(1 - alpha) / (1 - alpha). With G the Gramian of the K tasks' gradients g_k, d_k their
    lengths, and a_k the recipe's weight,

        w_k = a_k s v_k,   v > 0 with  (G v)_k = v_k^(-1 / alpha)  for every k

    with s such that orthogonal gradients get weights with the sum 1, and the update is as long as
    that of orthogonal gradients with the same d_k. `alpha` near 0 is equal weighting, 1 is
    Nash-MTL, and the larger, the more the slowest task counts. Without the a_k the update harms no
    task.

    Need: the Gramian. Cost: some Newton steps with K unknowns.

    Differs from the paper: v is the minimum of a strictly convex function and found by Newton's
    method to rounding, not by least squares; s, so that the size of the update follows the
    gradients and one task alone trains plainly. Where a mixture of the unit gradients is shorter
    than 0.01 the update becomes shorter too.
    """

    alpha: float

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "gramian"

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        return weigh(view, lambda signal: fair_weights(signal, self.alpha))
