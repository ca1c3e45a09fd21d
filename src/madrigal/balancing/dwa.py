"""Weights from how fast each loss falls."""

from collections.abc import Sequence
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
class Dwa(StateByTask):
    """A task whose loss falls more slowly than the others' counts more (DWA; Liu et al., 2019).

    Steps are counted in windows of `window`. With M_k and M'_k the mean losses of task k in the
    last two whole windows (of the steps in which it was present), N the number of tasks met so far,
    K the number of tasks present, T the `temperature` and a_k the recipe's weight,

        r_k = M_k / M'_k;   w_k = a_k (N / K) exp(r_k / T) / sum_j exp(r_j / T)

    r_k is 1 until task k has two windows. The sum runs over all tasks met, so that weights also act
    where a step holds one task alone.

    Need: nothing before the step; the losses afterwards. Cost: nothing.
    Differs from the paper: windows of steps instead of epochs; divided by K, so that equal rates
    are `equal`.
    """

    window: int
    temperature: float
    # Of each task: its open window, sum and count of losses in it, the last two means (or None).
    _state: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "nothing"

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        window = view.step // self.window
        rates = dict.fromkeys(view.tasks, 1.0)
        rates |= {task: _rate(_rolled(held, window)) for task, held in self._state.items()}
        logits = torch.tensor(list(rates.values()), dtype=torch.float64) / self.temperature
        relative = dict(zip(rates, (len(rates) * logits.softmax(0)).tolist(), strict=True))
        return with_task_weights(view, [relative[task] / len(view.tasks) for task in view.tasks])

    def update(self, view: StepView) -> None:
        window = view.step // self.window
        for task, loss in losses_by_task(view).items():
            held = self._state.get(task, (window, 0.0, 0, None, None))
            _, total, count, newer, older = _rolled(held, window)
            self._state[task] = [window, total + loss, count + 1, newer, older]


def _rolled(held: Sequence[Any], window: int) -> Sequence[Any]:
    """The state as it stands in `window`: an open window that is over becomes the newer mean."""
    opened, total, count, newer, _ = held
    return held if opened == window else (window, 0.0, 0, total / count, newer)


def _rate(held: Sequence[Any]) -> float:
    newer, older = held[3:]
    return 1.0 if older is None else newer / max(older, LEAST_LOSS)
