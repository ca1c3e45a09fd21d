"""Odds-ratio preference optimisation: likelihood and preference at once, without a reference."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.objectives.answers import averaged
from madrigal.objectives.base import Need, Outputs
from madrigal.objectives.dpo import of_better, preference
from madrigal.objectives.pairs import compared_examples, pairs_of
from madrigal.tasks.encoded import Encoded, Example

_SUREST = -1e-6  # nats by token; the odds of a certain answer are infinite
_HALF = -0.6931471805599453


@dataclass(frozen=True, slots=True)
class Orpo:
    """The better answer is learnt and its odds raised over the worse one's (Hong et al., 2024).

    With m(y) = log pi(y|x) / |y| the mean log-probability of an answer's tokens and
    odds(y) = e^m / (1 - e^m), i better than j costs, in nats,

        l(i, j) = -m(i) - odds log sigma(log odds(i) - log odds(j))

    and a pair of which i is better with chance p costs p l(i, j) + (1 - p) l(j, i). The loss is the
    mean over an example's pairs, summed over examples.

    Differs from the paper: ties and soft labels, which cost what hard labels drawn with their
    chance would on average; m is taken as at most -1e-6, where its odds end. TRL takes the
    likelihood over prompt and answer, here it is that of the answer, as in the paper.
    """

    odds: float = 0.1

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({"logps"})

    def encode_rows(self, example: Example) -> tuple[Encoded, ...]:
        return example

    def count(self, rows: Sequence[Encoded]) -> float:
        return float(len(compared_examples(rows)))

    def loss(self, rows: Sequence[Encoded], outputs: Outputs) -> Float[Tensor, ""]:
        pairs, mean = pairs_of(rows, outputs.logps), averaged(rows, outputs)
        odds = preference(pairs, _log_odds(mean), pairs.wins)
        return pairs.mean(self.odds * odds - of_better(pairs, mean))


def _log_odds(mean: Float[Tensor, " R"]) -> Float[Tensor, " R"]:
    """m - log(1 - e^m), without cancellation near 0 and far from it."""
    held = mean.clamp(max=_SUREST)
    high, low = held.clamp(min=_HALF), held.clamp(max=_HALF)
    other = torch.where(held > _HALF, (-torch.expm1(high)).log(), torch.log1p(-low.exp()))
    return held - other
