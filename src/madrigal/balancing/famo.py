"""Weights that let all losses fall at one rate."""

import math
from collections.abc import Mapping
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
class Famo(StateByTask):
    """All losses fall by the same share a step, learnt from losses alone (FAMO; Liu et al., 2023).

    With L_k the loss of task k, b_k its `lowest` possible loss, x_k its logit and
    D_k = L_k - b_k + 1e-8, over the K tasks present,

        z = softmax(x);   w_k = a_k (z_k / D_k) / sum_j (z_j / D_j)

    which is the gradient of sum_k z_k log D_k, scaled so that the w_k sum to 1 without the recipe's
    weights a_k. After the optimiser's step the losses are measured again on the same rows. What the
    logarithms fell by, d_k = log D_k(before) - log D_k(after), moves the logits by a step of Adam
    with the slopes

        z_k (d_k - sum_j z_j d_j) + gamma x_k

    gamma being the `decay`: a task that gained less than the others counts more in the next step.

    Need: the losses before the backward pass, and again after the step. Cost: one more forward pass
    of the step's rows, without gradient; the tasks' gradients are held apart, as for `gls`.

    Differs from the paper: Adam keeps its moments by task, so that absent tasks keep theirs. Decay
    1e-3 as in the paper; the authors' code has 1e-2 as class default.
    """

    learning_rate: float
    decay: float
    lowest: Mapping[str, float]  # 0 for a task that is not named
    _state: dict[str, Any] = field(default_factory=dict, repr=False)  # x_k and its Adam

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "losses"

    @property
    def wants_losses_after(self) -> bool:
        return True

    @property
    def validation_every(self) -> int:
        return 0

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        assert view.losses is not None
        above = [self._above(t, x) for t, x in zip(view.tasks, view.losses.tolist(), strict=True)]
        ratio = self._shares(view.tasks) / torch.tensor(above, dtype=torch.float64)
        return with_task_weights(view, ratio / ratio.sum())

    def update(self, view: StepView) -> None:
        before, after = losses_by_task(view), losses_by_task(view, after=True)
        tasks = [task for task in before if task in after]
        fell = torch.tensor(
            [math.log(self._above(t, before[t]) / self._above(t, after[t])) for t in tasks],
            dtype=torch.float64,
        )
        shares = self._shares(tasks)
        slopes = shares * (fell - (shares * fell).sum())
        self._adam.step(self._state, dict(zip(tasks, slopes.tolist(), strict=True)))

    def _above(self, task: str, loss: float) -> float:
        """D_k; a loss below its lowest counts as that. A loss that is no number stays none."""
        above = loss - self.lowest.get(task, 0.0)
        return (0.0 if above < 0 else above) + LEAST_LOSS

    def _shares(self, tasks: tuple[str, ...] | list[str]) -> Float[Tensor, " K"]:
        logits = [self._adam.value(self._state, task) for task in tasks]
        return torch.tensor(logits, dtype=torch.float64).softmax(0)

    @property
    def _adam(self) -> Adam:
        return Adam(self.learning_rate, self.decay)
