"""Text drawn from the model, with chance that belongs to each row."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from madrigal.evaluation.generate import Tokens, continued, side_by_side
from madrigal.mixture.chance import bits
from madrigal.model.language_model import LanguageModel
from madrigal.model.nucleus import nucleus

Key = tuple[str | int, ...]
# From logits and a number of each row, from 0 to below 1: the rows' next tokens, and the
# log-probability of each in nats, in the distribution that it is drawn from.
Drawn = tuple[Int[Tensor, " R"], Float[Tensor, " R"]]
Choose = Callable[[Float[Tensor, "R V"], Sequence[float]], Drawn]


def sample(
    model: LanguageModel,
    prompts: Sequence[Tokens],
    limits: Sequence[int],
    ends: Sequence[Sequence[int]],
    keys: Sequence[Key],
    batch_tokens: int,
    choose: Choose | None = None,
    purpose: str = "sample",
) -> tuple[list[list[int]], list[list[float]]]:
    """Each prompt's next tokens, drawn from the model's distribution, or as `choose` says; and of
    each token its log-probability in nats as it was drawn.

    Token t of a row is the first whose cumulative probability exceeds the row's t-th random number,
    which follows from its key and the purpose alone. So a row is the same in any batch, up to
    rounding of the probabilities. A row stops where it ends with one of `ends`, which stay, or at
    its limit.
    """
    texts: list[list[int]] = [[] for _ in prompts]
    logps: list[list[float]] = [[] for _ in prompts]
    most = max(limits, default=0)
    lengths = [len(prompt) for prompt in prompts]
    for batch in side_by_side(lengths, most, model.context, batch_tokens):
        chance = [_uniform(limits[i], (purpose, *keys[i])) for i in batch]

        def pick(
            logits: Float[Tensor, "R V"],
            rows: Sequence[int],
            count: int,
            chance: Sequence[Float[np.ndarray, " _"]] = chance,
            batch: Sequence[int] = batch,
        ) -> Int[Tensor, " R"]:
            tokens, known = (choose or drawn)(logits, [float(chance[row][count]) for row in rows])
            for row, value in zip(rows, known.tolist(), strict=True):
                logps[batch[row]].append(value)
            return tokens

        found = continued(
            model, [prompts[i] for i in batch], [limits[i] for i in batch], ends, pick
        )
        for index, text in zip(batch, found, strict=True):
            texts[index], logps[index] = text, logps[index][: len(text)]
    return texts, logps


def heated(temperature: float, top_p: float = 1.0) -> Choose:
    """Draw at a temperature, which logits are divided by, among the likeliest tokens whose
    probabilities then sum to `top_p`."""

    def choose(logits: Float[Tensor, "R V"], chance: Sequence[float]) -> Drawn:
        scaled = logits if temperature == 1 else logits / temperature
        if top_p < 1:
            scaled = scaled.masked_fill(~nucleus(scaled, top_p), float("-inf"))
        return drawn(scaled, chance)

    return choose


def drawn(logits: Float[Tensor, "R V"], chance: Sequence[float]) -> Drawn:
    """A token of each row: the first whose cumulative probability exceeds the row's number, which
    is from 0 to below 1."""
    highest = logits.amax(dim=-1, keepdim=True)
    weights = (logits - highest).exp_()
    upto = weights.cumsum(dim=-1, dtype=torch.float64)
    at = torch.tensor(chance, dtype=torch.float64, device=logits.device) * upto[:, -1]
    found = torch.searchsorted(upto, at[:, None], right=True).squeeze(1)
    found = found.clamp(max=logits.shape[-1] - 1)
    above = (logits.gather(1, found[:, None]) - highest).squeeze(1)
    return found, above - upto[:, -1].log().to(above)


def _uniform(count: int, key: Key) -> Float[np.ndarray, " _"]:
    """Numbers from 0 to below 1, in steps of 2^-53. One at least: a row is asked before its limit
    is looked at."""
    return (bits(max(1, count), *key) >> np.uint64(11)) * 2.0**-53
