"""A second head that takes the length of answers upon itself."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.tasks.encoded import Encoded

LENGTH_SUMS = 10  # how many sums there are
_SMALL = 1e-12


def length_sums(
    rows: Sequence[Encoded], scores: Float[Tensor, "R 2"], units: float
) -> Float[Tensor, " S"]:
    """What the correlations of a whole step follow from, as sums over some of its rows."""
    quality, length = scores.detach().double().unbind(dim=1)
    sizes = _sizes(rows, quality)
    one = torch.ones_like(sizes)
    parts = [one, sizes, sizes**2]
    for head in (quality, length):
        parts += [head, head**2, head * sizes]
    return torch.cat([one.new_tensor([units]), torch.stack([part.sum() for part in parts])])


def length_penalty(
    rows: Sequence[Encoded],
    scores: Float[Tensor, "R 2"],
    units: float,
    step: Float[Tensor, " S"],
) -> Float[Tensor, ""]:
    """The part of some rows in N (|rho(q, L)| - rho(l, L)), N the units of the step.

    q and l are the scores of the quality and of the length head, L the number of tokens of the
    answer and rho Pearson's correlation over all answers of the step (ODIN; Chen et al., 2024,
    equation 5). `step` is the sum of `length_sums`. A correlation is no sum over answers, but its
    gradient is: with n answers, hats for standardised and s(q) the standard deviation,

        d rho / d q_k = (L^_k - rho q^_k) / (n s(q))

    so each row gets its own part, and the value is shared out by units.
    """
    step = step.to(scores.device).double()
    sizes = _sizes(rows, scores).double()
    every, number = step[0], step[1]
    value, moved = scores.new_zeros(()), scores.new_zeros(())
    for head, sums in enumerate((step[4:7], step[7:10])):
        rho, slope = _correlation(scores[:, head].detach().double(), sizes, number, step[2:4], sums)
        factor = rho.sign() if head == 0 else -torch.ones_like(rho)
        value = value + factor * rho
        moved = moved + (factor * slope).to(scores.dtype) @ scores[:, head]
    return (units * value).to(scores.dtype) + every.to(scores.dtype) * (moved - moved.detach())


def _correlation(
    scores: Float[Tensor, " R"],
    sizes: Float[Tensor, " R"],
    number: Float[Tensor, ""],
    length: Float[Tensor, "2"],
    head: Float[Tensor, "3"],
) -> tuple[Float[Tensor, ""], Float[Tensor, " R"]]:
    """rho over the whole step, and its derivative by each of these scores."""
    mean_size, mean = length[0] / number, head[0] / number
    spread = (length[1] / number - mean_size**2).clamp(min=_SMALL).sqrt()
    deviation = (head[1] / number - mean**2).clamp(min=_SMALL).sqrt()
    rho = (head[2] / number - mean * mean_size) / (spread * deviation)
    slope = (sizes - mean_size) / spread - rho * (scores - mean) / deviation
    return rho, slope / (number * deviation)


def _sizes(rows: Sequence[Encoded], like: Tensor) -> Float[Tensor, " R"]:
    sizes = [row.answer_tokens for row in rows]
    return torch.tensor(sizes, device=like.device, dtype=like.dtype)
