"""Gradients by task that outlast a step: a moving average of each task's own."""

import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.gradients.gramian import HALVES, Units
from madrigal.gradients.ledger import Ledger


class Memory:
    """M, one row of P numbers a task of the stage: m_k <- decay m_k + (1 - decay) s_k g_k.

    g_k is the gradient of task k's mean loss in this step and s_k a factor that the balancer gives.
    A task's first gradient is taken as it is, so no correction for the start at zero is needed; a
    task that is absent from a step keeps its row.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        width = sum(p.numel() for p in ledger.parameters.values())
        device = next(iter(ledger.parameters.values())).device
        self._rows = torch.zeros(ledger.rows // HALVES, width, device=device)
        self._known = torch.zeros(len(self._rows), dtype=torch.bool)

    @torch.no_grad()
    def update(self, units: Units, factors: Float[Tensor, " K"], decay: float) -> None:
        """Take this step's gradients in."""
        matrix = self.ledger.matrix()
        totals = units.totals
        for place, index in enumerate(units.indices):
            scale = float(factors[place] / totals[place])
            fresh = matrix[HALVES * index : HALVES * index + HALVES].sum(0) * scale
            if self._known[index]:
                self._rows[index].mul_(decay).add_(fresh, alpha=1 - decay)
            else:
                self._rows[index].copy_(fresh)
                self._known[index] = True

    def gramian(self, units: Units, metric: Float[Tensor, " P"] | None) -> Float[Tensor, "K K"]:
        """M D M^T over the present tasks, in float64 on the host."""
        rows = self._rows[list(units.indices)]
        found = (rows if metric is None else rows * metric) @ rows.T
        found = found.double().cpu()
        return (found + found.T) / 2

    def write_gradient(self, units: Units, weights: Float[Tensor, " K"]) -> None:
        """Set every `parameter.grad` to its part of sum_k w_k m_k over the present tasks."""
        mixed = weights.to(self._rows) @ self._rows[list(units.indices)]
        end = 0
        for parameter in self.ledger.parameters.values():
            start, end = end, end + parameter.numel()
            parameter.grad = mixed[start:end].view(parameter.shape).to(parameter.dtype)

    def tensors(self) -> dict[str, Tensor]:
        """All that is remembered, for a checkpoint."""
        return {"rows": self._rows, "known": self._known}

    def load_tensors(self, held: dict[str, Tensor]) -> None:
        """Remember what a checkpoint holds."""
        self._rows.copy_(held["rows"])
        self._known.copy_(held["known"])

    def forget(self) -> None:
        """As at the start of the stage."""
        self._rows.zero_()
        self._known.zero_()
