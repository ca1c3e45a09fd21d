"""KL divergence between a reference's next-token distribution and the model's, in little memory."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from madrigal.model.head import Around, Head, nothing_around

Reference = Callable[[int, int], Tensor]


def divergence_in_chunks(
    head: Head,
    states: Float[Tensor, "N D"],
    reference: Reference,
    chunk: int,
    around: Around = nothing_around,
    reverse: bool = False,
) -> Float[Tensor, " N"]:
    """KL(reference, model) in nats at each position: sum_v p_v (log p_v - log q_v); with `reverse`
    KL(model, reference), sum_v q_v (log q_v - log p_v).

    `reference(first, last)` gives log p of positions `first` to `last` over the vocabulary, without
    gradient; log q is the head's log-softmax. The head runs on `chunk` positions at a time, and
    where gradients are needed each chunk but a single one is computed again in the backward pass.
    """

    def block(part: Tensor, first: int) -> Tensor:
        with around(first, first + part.shape[0]):
            wanted = reference(first, first + part.shape[0])
            said = head(part).float().log_softmax(-1)
        one, other = (said, wanted) if reverse else (wanted, said)
        return (one.exp() * (one - other)).sum(-1)

    several = states.shape[0] > chunk and torch.is_grad_enabled()
    pieces = []
    starts = range(0, max(1, states.shape[0]), chunk)
    for first, part in zip(starts, states.split(chunk), strict=True):
        if several:
            pieces.append(checkpoint(block, part, first, use_reentrant=False))
        else:
            pieces.append(block(part, first))
    return torch.cat(pieces)
