"""The new tasks' mean gradient, never against the replayed ones'."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import Stateless, StepView


@dataclass(frozen=True, slots=True)
class AGem(Stateless):
    """Replayed examples as a constraint instead of a part (A-GEM; Chaudhry et al., ICLR 2019).

    With g the mean gradient of the stage's own examples in the step, r that of the replayed ones,
    both with the recipe's weights a_k, the update is

        g                             where g . r >= 0 or nothing is replayed
        g - (g . r / |r|^2) r         otherwise

    so that to first order the mean loss of the replayed examples does not rise. With n_k examples
    of task k in the step: w_k = a_k n_k / sum over new tasks of n, and -(g . r / |r|^2) times the
    same for replayed ones. Where there is no conflict, replayed examples change nothing.

    Need: the Gramian, and `retain: replay`. Cost: nothing beyond it.
    """

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "gramian"

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        old = torch.tensor(view.protected or (False,) * len(view.tasks))
        counted = (view.task_weights * view.rows).double()
        new = _share(counted, view.rows.double(), ~old)
        if not old.any():
            return new.to(view.task_weights)
        assert view.gramian is not None
        gramian = view.gramian.double().cpu()
        past = _share(counted, view.rows.double(), old)
        along, length = new @ gramian @ past, past @ gramian @ past
        if along < 0 < length:
            new = new - along / length * past
        elif not torch.isfinite(along):
            new = new + along
        return new.to(view.task_weights)


def _share(
    counted: Float[Tensor, " K"], rows: Float[Tensor, " K"], of: Tensor
) -> Float[Tensor, " K"]:
    """Weights of the mean gradient of some tasks' examples; zeros where there are none."""
    return torch.where(of, counted, 0.0) / torch.where(of, rows, 0.0).sum().clamp(min=1e-12)
