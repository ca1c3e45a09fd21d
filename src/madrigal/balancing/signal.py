"""What the Gramian says: the tasks that have a gradient, how long it is and where it points."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import StepView, with_task_weights

# Gradients are held in single precision: a direction below this share of the largest is rounding.
SINGLE = 1.2e-7


@dataclass(frozen=True, slots=True)
class Signal:
    """The Gramian taken apart, G_ij = s^2 d_i c_ij d_j, over the n tasks with a gradient.

    Lengths and angles apart keep every digit where the lengths of two tasks differ by powers of
    ten. The scale s of all gradients together is left out: no balancer depends on it.
    """

    tasks: tuple[str, ...]
    norms: Float[np.ndarray, " n"]  # d, the largest is 1
    cosines: Float[np.ndarray, "n n"]  # c, symmetric, ones on the diagonal, no eigenvalue below 0

    @property
    def gramian(self) -> Float[np.ndarray, "n n"]:
        return self.cosines * np.outer(self.norms, self.norms)


Rule = Callable[[Signal], Float[np.ndarray, " n"]]


def weigh(view: StepView, rule: Rule) -> Float[Tensor, " K"]:
    """The weights that `rule` gives to the tasks with a gradient, times the recipe's own weights.

    A task whose gradient is exactly zero takes no part, as if it were absent, and gets 0: the
    update is the same for any weight, but in many methods it would turn the weights of the others.
    Where no task has a gradient, or one has no finite gradient, each gets 1/K: nothing is moved,
    and what is not finite stays so for the step to see.
    """
    present = has_gradient(view)
    if not present.any():
        return with_task_weights(view, torch.full((len(view.tasks),), 1 / len(view.tasks)))
    weights = np.zeros(len(view.tasks))
    weights[present] = rule(signal_of(view))
    return with_task_weights(view, torch.from_numpy(weights))


def signal_of(view: StepView) -> Signal:
    """The Gramian of the tasks with a gradient, taken apart."""
    present = has_gradient(view)
    gramian = _numbers(view)[np.ix_(present, present)]
    norms = np.sqrt(gramian.diagonal())
    cosines = gramian / norms / norms[:, None]
    tasks = tuple(task for task, here in zip(view.tasks, present, strict=True) if here)
    return Signal(tasks, norms / norms.max(), _repaired(cosines))


def has_gradient(view: StepView) -> np.ndarray:
    """Which of the K tasks have a gradient; none, where not all are finite."""
    gramian = _numbers(view)
    return (gramian.diagonal() > 0) & np.isfinite(gramian).all()


def _numbers(view: StepView) -> Float[np.ndarray, "K K"]:
    if view.gramian is None:
        raise ValueError("the view holds no gramian")
    return view.gramian.detach().double().cpu().numpy()


def _repaired(cosines: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """The nearest matrix that can be one of cosines, where rounding made one that cannot."""
    cosines = (cosines + cosines.T) / 2
    values, vectors = np.linalg.eigh(cosines)
    if values[0] < -1e-14:
        cosines = (vectors * np.maximum(values, 0.0)) @ vectors.T
        norms = np.sqrt(cosines.diagonal())
        cosines = cosines / norms / norms[:, None]
    cosines = np.clip(cosines, -1.0, 1.0)
    np.fill_diagonal(cosines, 1.0)
    return cosines
