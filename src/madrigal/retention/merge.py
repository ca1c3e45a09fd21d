"""Weights of several stages made one: averages, sums and TIES of what each stage changed.

All functions take parameters by name and work entry by entry on the parameters that are trained.
For LoRA these are the matrices A and B, as in peft's own merging of adapters: a product of means is
not the mean of products, so merging is exact for full fine-tuning and an approximation here.
`between` works on the products themselves, and is exact there too.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.model.update import Update

Tensors = Mapping[str, Tensor]


def change(start: Tensors, end: Tensors) -> dict[str, Tensor]:
    """What a stage changed: its task vector, end - start (Ilharco et al., ICLR 2023)."""
    return {name: end[name] - held for name, held in start.items()}


def moved(start: Tensors, by: Tensors, scale: float) -> dict[str, Tensor]:
    """start + scale * by."""
    return {name: held + scale * by[name] for name, held in start.items()}


def average(changes: Sequence[Tensors]) -> dict[str, Tensor]:
    """The mean of the changes: the mean of the models, where all began at the same weights."""
    return {name: torch.stack([c[name] for c in changes]).mean(0) for name in changes[0]}


def arithmetic(changes: Sequence[Tensors]) -> dict[str, Tensor]:
    """The sum of the changes: task arithmetic (Ilharco et al., ICLR 2023)."""
    return {name: torch.stack([c[name] for c in changes]).sum(0) for name in changes[0]}


def ties(changes: Sequence[Tensors], density: float) -> dict[str, Tensor]:
    """Trim, elect a sign, and mean of those that agree (TIES; Yadav et al., NeurIPS 2023).

    1. Of each change only the `density` largest entries stay, counted over all its parameters.
    2. The sign of an entry is that of the sum of what stayed.
    3. The entry is the mean of those that stayed and have this sign; 0 where there is none.
    """
    names = list(changes[0])
    kept = torch.stack([_trimmed(_flat(c, names), density) for c in changes])
    sign = kept.sum(0).sign()
    agrees = kept.sign() == sign
    merged = (kept * agrees).sum(0) / agrees.sum(0).clamp(min=1)
    parts = merged.split([changes[0][name].numel() for name in names])
    return {n: p.view_as(changes[0][n]) for n, p in zip(names, parts, strict=True)}


def interpolate(start: Tensors, end: Tensors, back: float) -> dict[str, Tensor]:
    """(1 - back) end + back start (WiSE-FT; Wortsman et al., CVPR 2022)."""
    return {name: torch.lerp(end[name], held, back) for name, held in start.items()}


def between(
    start: Mapping[str, Update], end: Mapping[str, Update], back: float
) -> dict[str, Update]:
    """The same of low-rank updates, by layer: (1 - back) B_1 A_1 + back B_0 A_0.

    With start B_0 A_0 and end B_1 A_1 it is [(1 - back) B_1, back B_0] [A_1; A_0], of the summed
    rank; a layer that one of them lacks has the other's share alone. So the merged weights are
    exactly on the line between those of start and end.
    """
    shares = ((end, 1 - back), (start, back))
    return {
        name: _stacked([(held[name], share) for held, share in shares if name in held])
        for name in {**end, **start}
    }


def _stacked(parts: Sequence[tuple[Update, float]]) -> Update:
    return Update(
        torch.cat([update.a for update, _ in parts]),
        torch.cat([share * update.b for update, share in parts], dim=1),
    )


def _flat(tensors: Tensors, names: Sequence[str]) -> Float[Tensor, " P"]:
    return torch.cat([tensors[name].flatten().float() for name in names])


def _trimmed(flat: Float[Tensor, " P"], density: float) -> Float[Tensor, " P"]:
    """Zeros but for the largest entries; of equal ones at the border the first."""
    size = flat.abs()
    keep = max(1, round(density * flat.numel()))
    border = size.topk(keep).values[-1]
    kept = size > border
    equal = (size == border).nonzero()[:, 0]
    kept[equal[: keep - int(kept.sum())]] = True
    return flat * kept
