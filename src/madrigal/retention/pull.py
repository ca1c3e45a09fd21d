"""L2 pull to the parameters at the start of the stage, with a strength for each task."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn


class Pull:
    """Adds sum_k w_k lambda_k / 2 |theta - theta_0|^2 over the tasks k present in the step.

    L2-SP of Li et al., 2018 (all parameters, no separate strength for new ones), with a strength
    lambda_k for each task: a step that holds more of a task is pulled more by it.
    Differs from the paper: the strength is a task's, and it is weighted as the task's loss is. A
    parameter that `owners` (its `id` to tasks) calls some tasks' own is pulled by those alone.
    """

    name = "pull_to_start"

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        strengths: Mapping[str, float],
        owners: Mapping[int, tuple[str, ...]] | None = None,
    ) -> None:
        self._strengths = {task: s for task, s in strengths.items() if s > 0}
        self._parameters = list(parameters) if self._strengths else []
        self._owners = [(owners or {}).get(id(p)) for p in self._parameters]
        self._start: list[Tensor] = [p.detach().clone() for p in self._parameters]

    @torch.no_grad()
    def add_gradient(self, weights: Mapping[str, float]) -> float | None:
        """Add the term's gradient; every process adds the same. Returns the term's value."""
        strengths = {task: w * self._strengths.get(task, 0.0) for task, w in weights.items()}
        together = sum(strengths.values())
        if together == 0 or not self._parameters:
            return None
        value = 0.0
        held = zip(self._parameters, self._start, self._owners, strict=True)
        for parameter, start, owner in held:
            strength = together if owner is None else sum(strengths.get(t, 0.0) for t in owner)
            if strength == 0:
                continue
            away = parameter - start
            value += strength / 2 * float(away.square().sum())
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            parameter.grad.add_(away, alpha=strength)
        return value
