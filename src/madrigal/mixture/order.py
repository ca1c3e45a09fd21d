"""The order in which the examples of one task are drawn."""

import numpy as np
from jaxtyping import Int

from madrigal.mixture.chance import bits, permutation
from madrigal.mixture.interleave import interleave
from madrigal.mixture.shares import capped, uniform
from madrigal.mixture.size import TaskSize, stratum_cap


def order(
    task: TaskSize, draws: int, max_epochs: float | None, seed: int
) -> Int[np.ndarray, " draws"]:
    """Indices of the first `draws` examples of a task.

    Strata take turns evenly (a stratum that has reached `max_epochs` passes leaves its turns to the
    others); within a stratum every pass is a fresh permutation. Depends on the seed and the task's
    own name and examples only.
    """
    if not draws:
        return np.empty(0, dtype=np.int64)
    groups = task.groups()
    caps = np.array([stratum_cap(len(group), max_epochs) for group in groups.values()])
    shares = capped(uniform(caps), caps, draws)
    names = tuple(groups)
    turns = interleave(
        shares, caps, draws, lambda k, count: bits(count, seed, task.name, names[k], "turns")
    )
    result = np.empty(len(turns), dtype=np.int64)
    for k, (value, group) in enumerate(groups.items()):
        mine = turns == k
        result[mine] = group[_passes(len(group), int(mine.sum()), seed, task.name, value)]
    return result


def _passes(examples: int, draws: int, seed: int, *key: str) -> Int[np.ndarray, " draws"]:
    epochs = -(-draws // examples)
    orders = [permutation(examples, seed, *key, "pass", epoch) for epoch in range(epochs)]
    return np.concatenate([np.empty(0, dtype=np.int64), *orders])[:draws]
