"""Weights from the slopes of the validation losses."""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import LEAST_LOSS, StepView, with_task_weights

# First losses, curves and slopes of each task; those of the largest; the last shares.
_FRESH: dict[str, Any] = {
    "first": {}, "curves": {}, "slopes": {}, "largest": [], "largest_slopes": [], "shares": {},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Coba:
    """Tasks converge together; one that diverges counts less (CoBa; Gong et al., EMNLP 2024).

    Every `every` steps each task's loss on validation rows is measured and divided by its first
    one. a_k is the slope of a straight line through the last `history` of them; c is that of the
    largest of all tasks' ratios. With N tasks measured, n slopes of task k kept (at most
    `history`), m slopes c since the warm-up, and T the `temperature`,

        RCS_k = softmax_k( N a_k / sum_j |a_j| )                slower than the others
        ACS_k = softmax_k( -n a_k / sum over time of |a_k| )    still falling, by its own measure
        DF    = min(1, m softmax over time of( -T m c / sum over time of |c| ), now)
        v     = softmax_k( N (DF RCS_k + (1 - DF) ACS_k) ), at least 1 / (10 N), scaled to sum to 1

    and with K tasks present and the recipe's weight b_k of task k: w_k = b_k (N / K) v_k. Before
    step `warmup`, and for a task without validation rows, N v_k counts as 1.

    Need: nothing before the step; losses on validation rows. Cost: one more forward pass of
    validation rows every `every` steps, without gradient.

    Differs from the paper: the last softmax and the floor are those of the authors' code. Differs
    from that code: weights are relative to all tasks measured, never to those that happen to be in
    one microbatch or step, where a single task would cancel its own weight; a task that was not
    measured is left out of the curves instead of entering as a loss of zero; DF is at most 1, so
    that ACS never counts negatively; the floor has no jump.
    """

    warmup: int
    history: int
    temperature: float
    every: int
    _state: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(_FRESH), repr=False)

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "nothing"

    @property
    def wants_losses_after(self) -> bool:
        return False

    @property
    def validation_every(self) -> int:
        return self.every

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        held: Mapping[str, float] = self._state["shares"]
        relative = {task: len(held) * share for task, share in held.items()}
        found = [relative.get(task, 1.0) / len(view.tasks) for task in view.tasks]
        return with_task_weights(view, found)

    def update(self, view: StepView) -> None:
        measured = {t: x for t, x in (view.validation or {}).items() if math.isfinite(x)}
        if not measured:
            return
        state = self._state
        for task, loss in measured.items():
            first = state["first"].setdefault(task, max(loss, LEAST_LOSS))
            self._keep(state["curves"].setdefault(task, []), [view.step, loss / first])
        largest = max(state["curves"][task][-1][1] for task in measured)
        self._keep(state["largest"], [view.step, largest])
        if view.step < self.warmup or len(state["largest"]) < 2:
            return
        for task in measured:
            self._keep(state["slopes"].setdefault(task, []), slope(state["curves"][task]))
        state["largest_slopes"].append(slope(state["largest"]))
        state["shares"] = shares(state["slopes"], state["largest_slopes"], self.temperature)

    def _keep(self, history: list[Any], entry: Any) -> None:
        history.append(entry)
        del history[: -self.history]

    def state_dict(self) -> dict[str, Any]:
        return copy.deepcopy(self._state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._state.update(copy.deepcopy(state))


def slope(curve: Sequence[Sequence[int | float]]) -> float:
    """The slope of the least-squares line through (step, value) pairs; 0 for fewer than two."""
    x, y = torch.tensor(curve, dtype=torch.float64).T
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).sum() / (x * x).sum()) if len(curve) > 1 else 0.0


def shares(
    slopes: Mapping[str, Sequence[float]], largest: Sequence[float], temperature: float
) -> dict[str, float]:
    """v of the class's formulas, from the slopes so far; the last of each is that of now."""
    count = len(slopes)
    now = _of_mean([held[-1] for held in slopes.values()])
    relative = now.softmax(0)
    absolute = torch.stack([-_of_mean(held)[-1] for held in slopes.values()]).softmax(0)
    falling = (-temperature * _of_mean(largest)).softmax(0)[-1] * len(largest)
    factor = falling.clamp(max=1.0)
    found = (count * (factor * relative + (1 - factor) * absolute)).softmax(0)
    found = found.clamp(min=1 / (10 * count))
    return dict(zip(slopes, (found / found.sum()).tolist(), strict=True))


def _of_mean(values: Sequence[float]) -> Float[Tensor, " n"]:
    """Values in units of their mean size: n x / sum |x|; zeros where all are zero."""
    held = torch.tensor(values, dtype=torch.float64)
    mean = held.abs().mean()
    return held / mean if mean > 0 else held
