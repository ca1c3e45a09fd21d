"""What a step on one task alone would do to the loss of every other: tried, and taken back."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from madrigal.gradients import Ledger
from madrigal.gradients.gramian import HALVES
from madrigal.training.split import Split
from madrigal.training.step import Gradient


@torch.no_grad()
def look_ahead(
    gradient: Gradient,
    split: Split,
    rate: float,
    clip: float,
    metric: Float[Tensor, " P"] | None = None,
) -> dict[str, float]:
    """Task affinity by looking ahead (TAG, Fifty et al., 2021, section 4.1), `i>j` to Z_ij.

        Z_ij = 1 - L_j(theta_i) / L_j(theta),    theta_i = theta - lr c_i D g_i

    g_i is task i's gradient in this step, as the ledger holds it, lr the step's learning rate, c_i
    what clips a gradient to its largest norm, and D the metric that inner products are taken in:
    the identity, or AdamW's scale of each parameter. L_j is the loss of j's examples of this step,
    with the same dropout each time. Costs K + 1 forward passes for K tasks; the weights are put
    back bit by bit.

    Differs from the paper: i's step does not move the momenta, and Z_ii, which its own examples
    would flatter, is left out.
    """
    tasks, ledger = gradient.view.tasks, split.ledger
    held = list(ledger.parameters.values())
    start = [parameter.detach().clone() for parameter in held]
    before = gradient.losses_now()
    found: dict[str, float] = {}
    try:
        for i, task in enumerate(tasks):
            step = _own(ledger, split.order[task]) / gradient.totals[task]
            norm = float(step.norm())
            step = rate * min(1.0, clip / norm if clip > 0 and norm > 0 else 1.0) * step
            _move(held, start, step if metric is None else step * metric)
            falls = 1 - gradient.losses_now().double() / before.double()
            found |= {f"{task}>{other}": float(falls[j]) for j, other in _others(tasks, i)}
    finally:
        for parameter, kept in zip(held, start, strict=True):
            parameter.copy_(kept)
    return found


def _own(ledger: Ledger, place: int) -> Float[Tensor, " P"]:
    """A task's summed gradient: both of its halves."""
    return ledger.matrix()[HALVES * place : HALVES * (place + 1)].sum(0)


def _move(held: Sequence[nn.Parameter], start: Sequence[Tensor], step: Tensor) -> None:
    parts = step.split([parameter.numel() for parameter in held])
    for parameter, kept, part in zip(held, start, parts, strict=True):
        parameter.copy_(kept - part.view_as(kept).to(kept.dtype))


def _others(tasks: Sequence[str], i: int) -> Iterator[tuple[int, str]]:
    return ((j, task) for j, task in enumerate(tasks) if j != i)
