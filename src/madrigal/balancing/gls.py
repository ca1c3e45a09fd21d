"""The geometric mean of the losses."""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import LEAST_LOSS, Stateless, StepView, with_task_weights


@dataclass(frozen=True, slots=True)
class Gls(Stateless):
    """The objective is the geometric mean of the losses (GLS; Chennupati et al., 2019).

    With L_k the loss of task k, of the K tasks present, and a_k the recipe's weight,

        M = (prod_k L_k)^(1/K);   w_k = a_k dM/dL_k = a_k M / (K L_k)

    Equal losses give `equal`; one loss in other units changes all weights by one factor alone. The
    losses must be above zero; below 1e-8 nats they count as that.

    Need: the losses before the backward pass. Cost: the tasks' gradients are held apart
    until the losses of all the step's rows are known; nothing else.
    Differs from the paper: nothing.
    """

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "losses"

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        assert view.losses is not None
        losses = view.losses.cpu().double().clamp(min=LEAST_LOSS)
        mean = losses.log().mean().exp()
        return with_task_weights(view, mean / (len(view.tasks) * losses))
