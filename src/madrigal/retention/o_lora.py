"""Orthogonal low-rank adaptation: a stage's adapter reads other directions than earlier ones."""

from collections.abc import Mapping, Sequence

import torch

from madrigal.model.fold import Adapted


class Overlap:
    """Adds strength * sum over layers and earlier stages i of |A_i A^T|^2 (Frobenius).

    O-LoRA (Wang et al., Findings of EMNLP 2023), equation 7: A (rank x inputs) is the adapter in
    training, A_i those of earlier stages, frozen. 0 where the rows of A are orthogonal to all rows
    of every A_i; the gradient is 2 strength A (sum_i A_i^T A_i).

    Differs from the paper: rows of A are the directions that a layer reads, where the paper writes
    the transposed; the code of its authors sums absolute values instead of squares and divides the
    sum by the accumulation, so its strengths mean something else; no L2 on the new adapter beside
    it (`weight_decay` is there).
    """

    name = "o_lora"

    def __init__(self, layers: Sequence[Adapted], strength: float) -> None:
        self._strength = strength
        self._layers = [(layer.now, layer.before.to(layer.now.device)) for layer in layers]

    @torch.no_grad()
    def add_gradient(self, weights: Mapping[str, float]) -> float | None:
        """Add the term's gradient; every process adds the same. Returns the term's value."""
        del weights  # of no task
        values = []
        for now, before in self._layers if self._strength else ():
            if now.grad is None:
                continue
            crossed = now @ before.T
            now.grad.add_(crossed @ before, alpha=2 * self._strength)
            values.append(crossed.square().sum())
        return self._strength * float(torch.stack(values).sum()) if values else None
