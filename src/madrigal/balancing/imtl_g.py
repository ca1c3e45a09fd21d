"""The direction with equal projections on all tasks' gradients."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import Stateless, StepView
from madrigal.balancing.signal import SINGLE, Signal, weigh


@dataclass(frozen=True, slots=True)
class ImtlG(Stateless):
    """All tasks advance alike, whatever the sizes of their losses (IMTL-G; Liu et al., 2021).

    With d_k the length of task k's gradient g_k, c the K x K cosines between them, c^+ its
    pseudo-inverse, and a_k the recipe's weight,

        w_k = a_k y_k / (d_k S),   y = c^+ 1,   S = sum_j |y_j| / d_j

    Without the a_k the update has the same projection, 1 / S, on each unit gradient g_k / d_k;
    where the gradients are dependent and none has that, the nearest to it in the mean square. Its
    direction does not change when a loss is scaled. Weights may be negative.

    Need: the Gramian. Cost: an eigendecomposition of a K x K matrix.

    Differs from the paper: the paper divides by the sum of the y_j / d_j. The two agree where no
    weight is negative; otherwise the paper's sum may be near zero, or negative, which would send
    every task uphill. The pseudo-inverse is for dependent gradients, which the paper leaves out.
    """

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "gramian"

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        return weigh(view, _equal_projections)


def _equal_projections(signal: Signal) -> Float[np.ndarray, " n"]:
    count = len(signal.norms)
    inverse = np.linalg.pinv(signal.cosines, rcond=SINGLE * count, hermitian=True)
    # 1 / d may be beyond any number when the lengths differ that much: relative to the shortest.
    weights = inverse.sum(axis=1) * (signal.norms.min() / signal.norms)
    size = np.abs(weights).sum()
    if size <= SINGLE * count:  # ones lie wholly outside: no direction helps, as for opposites
        return np.zeros(count)
    return weights / size
