"""Matrices of per-task gradients that balancers must stand, and views of them."""

import numpy as np
import torch

from madrigal.balancing import StepView

NAMES = tuple(f"task{number:02d}" for number in range(32))


def seen(jacobian, names=None, **more):
    """What a balancer is shown of a K x P matrix of gradients; in double precision throughout."""
    jacobian = np.asarray(jacobian, dtype=np.float64)
    count = len(jacobian)
    keys = {"losses": torch.ones(count, dtype=torch.float64), "seed": 5, "step": 3} | more
    return StepView(
        tasks=tuple(names or NAMES[:count]),
        rows=torch.ones(count),
        task_weights=torch.ones(count, dtype=torch.float64),
        gramian=torch.from_numpy(jacobian @ jacobian.T),
        **keys,
    )


def normal(count, width, rank=None, seed=0):
    """Random normal rows, of a given rank."""
    chance = np.random.default_rng([count, width, rank or 0, seed])
    if rank is None:
        return chance.standard_normal((count, width))
    left, right = chance.standard_normal((count, rank)), chance.standard_normal((rank, width))
    return left @ right / np.sqrt(rank)


def conflicting(count, width, seed=0):
    """Random rows that point away from each other more often than not; no combination is zero."""
    rows = normal(count, width, seed=seed)
    return rows - 0.9 * rows.mean(0)


def leaning(count, width, seed=0):
    """Random rows with one direction in common: some direction helps every task."""
    rows = normal(count, width, seed=seed)
    return rows + 0.7 * normal(1, width, seed=seed + 1000)


def stationary(count, width, seed=0):
    """Rows with a positive combination that is zero: no direction helps every task."""
    rows = normal(count, width, seed=seed)
    shares = np.random.default_rng(seed).uniform(0.5, 2.0, count)
    rows[-1] = -(shares[:-1] @ rows[:-1]) / shares[-1]
    return rows


DEGENERATE = {
    "opposite": [[1.0, 0.0], [-1.0, 0.0]],
    "opposite, unequal": [[1.0, 2.0, 0.0], [-3.0, -6.0, 0.0]],
    "opposite and another": [[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 1.0]],
    "same": [[1.0, 2.0, 3.0]] * 3,
    "same direction": [[1.0, 2.0], [10.0, 20.0], [0.1, 0.2]],
    "same twice, against a third": [[1.0, 1.0], [1.0, 1.0], [-2.0, 1.0]],
    "zero row": [[1.0, -1.0], [0.0, 0.0], [-2.0, 1.0]],
    "all zero": [[0.0, 0.0], [0.0, 0.0]],
    "tiny row": [[1.0, 1.0, 0.0], [1e-9, -2e-9, 1e-9], [0.0, 1.0, -1.0]],
    "huge row": [[1.0, 1.0, 0.0], [1e7, -2e7, 1e7], [0.0, 1.0, -1.0]],
    "triangle": [[1.0, 0.0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]],
    "nearly opposite": [[1.0, 1e-6], [-1.0, 1e-6]],
}
