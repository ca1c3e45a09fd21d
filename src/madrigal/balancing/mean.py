"""Every example counts the same."""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import Stateless, StepView


@dataclass(frozen=True, slots=True)
class Mean(Stateless):
    """Every example of the step counts the same, times its task's own weight.

    With r_k the examples of task k in the step, of those present, and a_k the recipe's weight,

        w_k = a_k r_k / sum_j r_j

    An a_k of 2 doubles the gradient of task k and leaves the others as they are. Without weights
    of the tasks' own the w_k sum to 1, and the loss is that of all examples in one pot (exactly,
    when the objectives are normalised by examples).
    """

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "nothing"

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        return view.task_weights * view.rows / view.rows.sum()
