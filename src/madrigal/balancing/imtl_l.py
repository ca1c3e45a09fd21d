"""Weights that bring all losses to one scale."""

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.adam import Adam
from madrigal.balancing.base import (
    LEAST_LOSS,
    StateByTask,
    StepView,
    losses_by_task,
    with_task_weights,
)


@dataclass(frozen=True, slots=True)
class ImtlL(StateByTask):
    """A learned scale for each task, so that all scaled losses become 1 (IMTL-L; Liu et al., 2021).

    The objective, with L_k the loss of task k and s_k the logarithm of its scale, is

        sum_k  exp(s_k) L_k - s_k

    s_k goes down its slope exp(s_k) L_k - 1 and comes to rest where the scaled loss is 1. With K
    tasks present and a_k the recipe's weight,

        w_k = a_k exp(s_k) / K

    Losses below 1e-8 nats count as that, which keeps s_k finite.

    Need: nothing before the step; the losses afterwards. Cost: nothing.

    Differs from the paper: s_k has an Adam of its own (`adam.py`, learning rate `learning_rate`)
    instead of being a parameter of the model's optimiser; the sum is divided by K, so that training
    starts as `equal`. With s_k of the other sign and half the objective this is `uncertainty`: Adam
    forgets the factor, so at the same learning rate the two give the same weights. Both are here
    because both are asked for by name.
    """

    learning_rate: float
    _state: dict[str, Any] = field(default_factory=dict, repr=False)  # s_k and its Adam

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "nothing"

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        values = [self._adam.value(self._state, task) for task in view.tasks]
        s = torch.tensor(values, dtype=torch.float64)
        return with_task_weights(view, torch.exp(s) / len(values))

    def update(self, view: StepView) -> None:
        slopes = {
            task: math.exp(self._adam.value(self._state, task)) * max(loss, LEAST_LOSS) - 1.0
            for task, loss in losses_by_task(view).items()
        }
        self._adam.step(self._state, slopes)

    @property
    def _adam(self) -> Adam:
        return Adam(self.learning_rate)
