"""The smooth maximum of the tasks' losses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import (
    LEAST_LOSS,
    StateByTask,
    StepView,
    losses_by_task,
    with_task_weights,
)


@dataclass(frozen=True, slots=True)
class Stch(StateByTask):
    """The task that stands worst counts most (smooth Tchebycheff, STCH; Lin et al., ICML 2024).

    During `warmup` steps the weights are those of `equal`, and the mean loss of each task becomes
    its nadir n_k. Afterwards, with L_k the loss of task k, z_k its `ideal` loss and mu the
    `smoothing`,

        y_k = (L_k - z_k) / (n_k - z_k);   objective = h mu log sum_k exp(y_k / mu)
        w_k = a_k h / (n_k - z_k) exp(y_k / mu) / sum_j exp(y_j / mu)

    over the K tasks present, a_k being the recipe's weight. y_k is 1 at the nadir and 0 at the
    ideal. The factor h, the harmonic mean of the n_k - z_k, makes the w_k sum to 1 where all y_k
    are equal. A small mu follows the worst task alone, a large one is a sum in units of n_k - z_k.
    A task that the warm-up did not meet takes the first loss that is seen of it as its nadir.

    Need: the losses before the backward pass. Cost: the tasks' gradients are held apart
    until the losses of all the step's rows are known; nothing else.

    Differs from the paper: the preference weights are 1 / (n_k - z_k), never more than a hundred
    over the nadir, times h. The authors' code for networks takes log(L_k / n_k) for y_k, and sums
    logarithms during the warm-up.
    """

    smoothing: float
    warmup: int
    ideal: Mapping[str, float]  # 0 for a task that is not named
    _state: dict[str, Any] = field(
        default_factory=dict, repr=False
    )  # sum of losses and their count

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "losses"

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        assert view.losses is not None
        count = len(view.tasks)
        if view.step < self.warmup:
            return with_task_weights(view, [1 / count] * count)
        losses = view.losses.cpu().double()
        seen = [
            self._state.get(t, (x, 1)) for t, x in zip(view.tasks, losses.tolist(), strict=True)
        ]
        nadir = torch.tensor([total / n for total, n in seen], dtype=torch.float64)
        ideal = torch.tensor([self.ideal.get(t, 0.0) for t in view.tasks], dtype=torch.float64)
        span = torch.maximum(nadir - ideal, 0.01 * nadir).clamp(min=LEAST_LOSS)
        share = ((losses - ideal) / span / self.smoothing).softmax(0)
        harmonic = count / (1 / span).sum()
        return with_task_weights(view, harmonic * share / span)

    def update(self, view: StepView) -> None:
        for task, loss in losses_by_task(view).items():
            if view.step < self.warmup or task not in self._state:
                total, count = self._state.get(task, (0.0, 0))
                self._state[task] = [total + loss, count + 1]
