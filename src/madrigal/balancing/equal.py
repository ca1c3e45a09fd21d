"""Every task counts the same."""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import Stateless, StepView


@dataclass(frozen=True, slots=True)
class Equal(Stateless):
    """Every task that is present in the step counts the same, times its own weight.

    With K the number of tasks present and a_k the recipe's weight of task k,

        w_k = a_k / K

    An a_k of 2 doubles the gradient of task k and leaves the others as they are. This is equal
    weighting of the task losses ("linear scalarisation", "unitary"; Kurin et al., 2022).
    """

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "nothing"

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        return view.task_weights / len(view.tasks)
