"""The sum of the losses' logarithms."""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import LEAST_LOSS, Stateless, StepView, with_task_weights


@dataclass(frozen=True, slots=True)
class ScaleInvariant(Stateless):
    """The objective is the mean logarithm of the losses (SI; Navon et al., 2022).

    With L_k the loss of task k, of the K tasks present, and a_k the recipe's weight,

        w_k = a_k / (K L_k)

    The gradient does not change when a loss is measured in other units. The losses must be above
    zero; below 1e-8 nats they count as that.

    Need: the losses before the backward pass. Cost: the tasks' gradients are held apart
    until the losses of all the step's rows are known; nothing else.
    Differs from the paper: the sum is divided by K.
    """

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "losses"

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        assert view.losses is not None
        losses = view.losses.cpu().double().clamp(min=LEAST_LOSS)
        return with_task_weights(view, 1 / (len(view.tasks) * losses))
