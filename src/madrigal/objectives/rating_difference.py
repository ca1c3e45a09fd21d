"""Regression on the difference of two ratings."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.objectives.answers import log_ratios, values
from madrigal.objectives.base import Need, Outputs
from madrigal.objectives.pairs import rated_examples, rated_pairs_of
from madrigal.tasks.encoded import Encoded, Example


@dataclass(frozen=True, slots=True)
class RatingDifference:
    """The log-ratios of two answers differ as their ratings do (REBEL; Gao et al., 2024).

    With r(y) = log pi(y|x) - log pi_ref(y|x) and s(y) the rating of an answer, scaled to [0, 1], a
    pair costs

        (beta (r(i) - r(j)) - scale (s(i) - s(j)))^2

    over all pairs of an example of which both answers have a rating. The loss is the mean over an
    example's pairs, summed over examples. Its optimum is pi* ~ pi_ref exp(scale s / beta), reached
    without drawing labels from the ratings: `scale` is the reward, in nats, from the lowest rating
    to the highest. With the span of the scale (4 for one to five) a point is one nat.

    Differs from the paper: the data are given and the reference stays where it was; there the
    answers are drawn from the last policy, which is the reference of the next step.
    """

    beta: float = 0.1
    scale: float = 1.0

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({"logps", "reference"})

    def encode_rows(self, example: Example) -> tuple[Encoded, ...]:
        return example

    def count(self, rows: Sequence[Encoded]) -> float:
        return float(len(rated_examples(rows)))

    def loss(self, rows: Sequence[Encoded], outputs: Outputs) -> Float[Tensor, ""]:
        pairs = rated_pairs_of(rows, outputs.logps)
        known = torch.from_numpy(values(rows)).to(outputs.logps.device, outputs.logps.dtype)
        missed = self.beta * log_ratios(rows, outputs, "none") - self.scale * known
        return pairs.mean((missed[pairs.first] - missed[pairs.second]).square())
