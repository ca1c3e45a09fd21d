"""Weights as the recipe gives them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import Stateless, StepView, with_task_weights


@dataclass(frozen=True, slots=True)
class Fixed(Stateless):
    """Every task counts as its given weight says, in every step ("scalarisation").

    With f_k the given weight of task k, mean(f) over all tasks of the stage, K the number of tasks
    present in the step and a_k the task's own weight in the recipe,

        w_k = a_k f_k / (K mean(f))

    so that equal weights are `equal`, whatever their size, and a step in which a task is absent
    does not raise the others. Replayed tasks, which have no weight here, count as the mean. Tuned
    fixed weights are the baseline that every method has to beat (Xin et al., NeurIPS 2022; Kurin
    et al., NeurIPS 2022).

    Need: a weight for each task. Cost: nothing.
    """

    given: Mapping[str, float]

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "nothing"

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        mean = sum(self.given.values()) / len(self.given)
        shares = [self.given.get(task, mean) / mean / len(view.tasks) for task in view.tasks]
        return with_task_weights(view, shares)
