"""Adam for the few numbers that a balancer learns, one a task."""

import math
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

_MEAN_DECAY, _SQUARE_DECAY, _EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True, slots=True)
class Adam:
    """Adam (Kingma and Ba, 2015) on one number a task, kept by name in a balancer's state.

    With g the slope, n the steps that this task has taken, and a decay added to the slope,

        g <- g + decay x;   m <- 0.9 m + 0.1 g;   v <- 0.999 v + 0.001 g^2
        x <- x - rate (m / (1 - 0.9^n)) / (sqrt(v / (1 - 0.999^n)) + 1e-8)

    Its own n, m and v for each task: one that is absent for a while goes on where it stopped. The
    numbers start at 0.
    """

    rate: float
    decay: float = 0.0

    def value(self, state: Mapping[str, Any], task: str) -> float:
        return state[task][0] if task in state else 0.0

    def step(self, state: MutableMapping[str, Any], slopes: Mapping[str, float]) -> None:
        """Move the numbers of the tasks in `slopes` down their slopes."""
        for task, slope in slopes.items():
            x, mean, square, count = state.get(task, (0.0, 0.0, 0.0, 0))
            slope += self.decay * x
            count += 1
            mean = _MEAN_DECAY * mean + (1 - _MEAN_DECAY) * slope
            square = _SQUARE_DECAY * square + (1 - _SQUARE_DECAY) * slope * slope
            scale = math.sqrt(square / (1 - _SQUARE_DECAY**count)) + _EPSILON
            x -= self.rate * mean / (1 - _MEAN_DECAY**count) / scale
            state[task] = [x, mean, square, count]
