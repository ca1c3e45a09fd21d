"""Random weights."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import Stateless, StepView, with_task_weights
from madrigal.mixture.chance import bits


@dataclass(frozen=True, slots=True)
class Random(Stateless):
    """New random weights in every step (RLW; Lin et al., TMLR 2022).

    With z_k a standard normal number that belongs to seed, step and the name of task k, over the
    tasks present, and a_k the recipe's weight,

        w_k = a_k exp(z_k) / sum_j exp(z_j)

    The w_k sum to 1 without the a_k, and each is 1/K in the mean: what is gained over `equal` is
    noise alone, which makes this the litmus test of every method that adapts weights.

    Need: nothing. Cost: nothing. Differs from the paper: the draw is a function of seed, step and
    name instead of a stream, so that a resumed run draws the same.
    """

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "nothing"

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        draws = [_normal(view.seed, view.step, task) for task in view.tasks]
        return with_task_weights(view, torch.tensor(draws, dtype=torch.float64).softmax(0))


def _normal(seed: int, step: int, task: str) -> float:
    """A standard normal number that belongs to its key (Box and Muller, 1958)."""
    # 53 bits and a half: never 0, whose logarithm has no value.
    first, second = ((bits(2, "rlw", seed, step, task) >> 11) + 0.5) / 2**53
    return float(np.sqrt(-2 * np.log(first)) * np.cos(2 * np.pi * second))
