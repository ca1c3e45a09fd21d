"""Weights from the learned uncertainty of each task."""

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
class Uncertainty(StateByTask):
    """A learned log-variance a task; a noisy task counts less (UW; Kendall et al., CVPR 2018).

    The objective, with L_k the loss of task k and s_k its log-variance, is

        sum_k  exp(-s_k) L_k / 2 + s_k / 2

    s_k goes down its slope (1 - exp(-s_k) L_k) / 2 and comes to rest at log L_k. With K tasks
    present and a_k the recipe's weight,

        w_k = a_k exp(-s_k) / K

    Losses below 1e-8 nats count as that, which keeps s_k finite.

    Need: nothing before the step; the losses afterwards. Cost: nothing.

    Differs from the paper: s_k has an Adam of its own (`adam.py`, learning rate `learning_rate`, no
    decay) instead of being a parameter of the model's optimiser, so that weight decay, clipping and
    the schedule do not touch it; w_k is 2/K times the paper's, so that training starts as `equal`.
    """

    learning_rate: float
    _state: dict[str, Any] = field(default_factory=dict, repr=False)  # s_k and its Adam

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "nothing"

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        values = [self._adam.value(self._state, task) for task in view.tasks]
        s = torch.tensor(values, dtype=torch.float64)
        return with_task_weights(view, torch.exp(-s) / len(values))

    def update(self, view: StepView) -> None:
        slopes = {
            task: 0.5 - 0.5 * math.exp(-self._adam.value(self._state, task)) * max(loss, LEAST_LOSS)
            for task, loss in losses_by_task(view).items()
        }
        self._adam.step(self._state, slopes)

    @property
    def _adam(self) -> Adam:
        return Adam(self.learning_rate)
