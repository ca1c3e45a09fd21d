"""Random orders of tasks that belong to seed, step and names."""

import numpy as np
from jaxtyping import Int

from madrigal.balancing.base import StepView
from madrigal.mixture.chance import permutation


def orders(view: StepView, tasks: tuple[str, ...], method: str) -> Int[np.ndarray, "n others"]:
    """For each task, the places of all others in the order in which it meets them.

    Tasks are ordered by name first, so that the order in which they come does not matter.
    """
    by_name = sorted(range(len(tasks)), key=tasks.__getitem__)
    found = np.empty((len(tasks), len(tasks) - 1), dtype=np.int64)
    for place, task in enumerate(tasks):
        others = np.array([other for other in by_name if other != place], dtype=np.int64)
        found[place] = others[permutation(len(others), method, view.seed, view.step, task)]
    return found
