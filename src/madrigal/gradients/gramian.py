"""From the Gramian of the ledger's rows to what it says about the tasks.

A task has two rows in the ledger, one for each half of its examples in the step; either may be
empty. All of this is K x K work in float64 on the host.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

HALVES = 2


@dataclass(frozen=True, slots=True)
class Units:
    """How many units each half of each present task has in this step, all processes together."""

    indices: tuple[int, ...]  # of the K present tasks among the stage's tasks
    counts: Float[Tensor, "K 2"]

    @property
    def rows(self) -> list[int]:
        """Rows of the ledger, both halves of each present task in turn."""
        return [HALVES * index + half for index in self.indices for half in range(HALVES)]

    @property
    def totals(self) -> Float[Tensor, " K"]:
        """N_k. Where a task has no trained token at all, 1: nothing divided by it stays nothing."""
        total = self.counts.sum(1)
        return torch.where(total > 0, total, torch.ones_like(total))


def task_gramian(raw: Float[Tensor, "R R"], units: Units) -> Float[Tensor, "K K"]:
    """G_ij = g_i . g_j of the tasks' mean-loss gradients g_k = (sum over both halves) / N_k."""
    tasks = len(units.indices)
    present = raw[units.rows][:, units.rows].view(tasks, HALVES, tasks, HALVES)
    return present.sum((1, 3)) / torch.outer(units.totals, units.totals)


def signals(raw: Float[Tensor, "R R"], units: Units) -> Float[Tensor, " K"]:
    """Unbiased estimates of |E g_k|^2: the halves' mean gradients multiplied with each other.

    G_kk itself is too large by the variance of the gradient (its two factors are the same
    examples); the halves are not. Not a number where a half is empty.
    """
    found = torch.full((len(units.indices),), float("nan"), dtype=torch.float64)
    for place, index in enumerate(units.indices):
        first, second = units.counts[place]
        if first > 0 and second > 0:
            product = raw[HALVES * index, HALVES * index + 1]
            found[place] = product / (first * second)
    return found


def cosines(gramian: Float[Tensor, "K K"]) -> Float[Tensor, "K K"]:
    """Cosines between the rows; 0 with a row that is zero."""
    norms = gramian.diagonal().clamp(min=0).sqrt()
    scale = torch.outer(norms, norms)
    return torch.where(scale > 0, gramian / scale.where(scale > 0, torch.ones(())), 0.0)


def row_weights(weights: Float[Tensor, " K"], units: Units, rows: int) -> Float[Tensor, " R"]:
    """Weights of the ledger's rows that make w^T J: task k's is w_k / N_k, for both halves."""
    spread = torch.zeros(rows, dtype=torch.float64)
    each = (weights.double() / units.totals).repeat_interleave(HALVES)
    spread[units.rows] = each
    return spread
