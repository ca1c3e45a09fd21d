"""Weights that bring the tasks' gradients to lengths that suit their pace."""

import math
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
class GradNorm(StateByTask):
    """Weights under which slow tasks have the longer gradients (GradNorm; Chen et al., ICML 2018).

    With v_k the softmax of one learned number z_k a task over the K tasks present, d_k the length
    of task k's gradient, L_k its loss and L_k(0) its first, and a_k the recipe's weight,
    w_k = a_k v_k. After each step z_k goes towards the length that suits the task's pace,

        target_k = mean_j(v_j d_j) (r_k / mean_j r_j)^alpha,    r_k = L_k / L_k(0)
        z_k <- z_k + the difference log target_k - log(v_k d_k), at most `rate` up or down

    `alpha` 0 makes all weighted gradients equally long; the larger, the more those of slow tasks
    are lengthened. Tasks that are absent keep z_k and L_k(0).

    Need: the lengths of the gradients (the diagonal of the Gramian) and the losses, after the step.
    Cost: nothing.

    Differs from the paper: lengths over all shared parameters instead of one layer; the paper goes
    down the slope of sum_k |v_k d_k - target_k| in v_k with a learning rate, this takes the sign of
    that slope times `rate`, in the logarithm and not beyond the target: positive weights, one pace
    for gradients of any size, and no trembling at rest. The weights sum to 1, not to K.
    """

    alpha: float
    rate: float
    _state: dict[str, Any] = field(default_factory=dict, repr=False)  # z_k, L_k(0)

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "gramian"

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        return with_task_weights(view, self._log_shares(view.tasks).exp())

    def update(self, view: StepView) -> None:
        losses, lengths = losses_by_task(view), _lengths(view)
        tasks = tuple(task for task in losses if lengths.get(task, 0.0) > 0)
        if not tasks:
            return
        for task in tasks:
            self._state.setdefault(task, [0.0, max(losses[task], LEAST_LOSS)])
        log_shares = self._log_shares(tasks).tolist()
        log_length = {
            task: log_share + math.log(lengths[task])
            for task, log_share in zip(tasks, log_shares, strict=True)
        }
        pace = {task: max(losses[task], LEAST_LOSS) / self._state[task][1] for task in tasks}
        highest = max(log_length.values())
        mean = sum(math.exp(length - highest) for length in log_length.values()) / len(tasks)
        log_mean = highest + math.log(mean)
        mean_pace = sum(pace.values()) / len(tasks)
        for task in tasks:
            target = log_mean + self.alpha * math.log(pace[task] / mean_pace)
            move = target - log_length[task]
            self._state[task][0] += max(-self.rate, min(self.rate, move))

    def _log_shares(self, tasks: tuple[str, ...]) -> Float[Tensor, " K"]:
        held = [self._state[task][0] if task in self._state else 0.0 for task in tasks]
        return torch.tensor(held, dtype=torch.float64).log_softmax(0)


def _lengths(view: StepView) -> dict[str, float]:
    """Finite lengths of the gradients of the tasks present."""
    if view.gramian is None:
        raise ValueError("the view holds no gramian")
    squares = view.gramian.diagonal().double().clamp(min=0)
    return {
        task: length
        for task, length in zip(view.tasks, squares.sqrt().tolist(), strict=True)
        if math.isfinite(length)
    }
