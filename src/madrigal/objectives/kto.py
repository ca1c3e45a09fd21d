"""Kahneman-Tversky optimisation: answers that are good or bad each for itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.objectives.answers import judgements, log_ratios
from madrigal.objectives.base import Need, Outputs
from madrigal.objectives.mismatched import mismatched
from madrigal.tasks.encoded import Encoded, Example
from madrigal.tasks.usable import thumb


@dataclass(frozen=True, slots=True)
class Kto:
    """Good answers rise above what the model gains on any answer, bad ones fall below (KTO).

    Ethayarajh et al., 2024. With r(y) = log pi(y|x) - log pi_ref(y|x) an answer costs

        good:  desirable (1 - sigma(beta (r(y) - z)))
        bad:   undesirable (1 - sigma(beta (z - r(y))))

    where z is the divergence KL(pi, pi_ref) in nats as far as the step shows it: the mean of r over
    answers to other prompts, at least 0, without a gradient (`Surveys`). The loss is a sum over
    answers; it is 1/2 an answer at the reference.

    An answer is good where its value (share of thumbs up, rating scaled to [0, 1]) is above
    `threshold` and bad below. Where it has no value it is good if it is better than half of the
    answers it was compared with: a pair is a good and a bad answer. What stands in the middle says
    nothing and does not count. The paper wants desirable x good answers to undesirable x bad
    answers between 1 and 4/3.

    Differs from the paper: thresholded ratings, and pairs.
    """

    beta: float = 0.1
    desirable: float = 1.0
    undesirable: float = 1.0
    threshold: float = 0.5

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({"logps", "reference"})

    def encode_rows(self, example: Example) -> tuple[Encoded, ...]:
        return example

    def count(self, rows: Sequence[Encoded]) -> float:
        return float((~np.isnan(self._good(rows))).sum())

    def survey_rows(self, examples: Sequence[Example], context: int) -> tuple[Encoded, ...]:
        return mismatched(examples, context)

    def survey(self, rows: Sequence[Encoded], outputs: Outputs) -> Float[Tensor, " S"]:
        """Sum of r over the rows, and their number."""
        ratios = log_ratios(rows, outputs, "none").detach()
        return torch.stack([ratios.sum(), ratios.new_tensor(float(len(rows)))])

    def loss(self, rows: Sequence[Encoded], outputs: Outputs) -> Float[Tensor, ""]:
        if outputs.survey is None:
            raise ValueError("KTO needs a survey of the step, and there was none")
        total, number = outputs.survey
        z = (total / number.clamp(min=1)).clamp(min=0)
        above = self.beta * (log_ratios(rows, outputs, "none") - z)
        told = torch.from_numpy(self._good(rows)).to(above.device, above.dtype)
        above, good = above[~told.isnan()], told[~told.isnan()]
        up, down = torch.sigmoid(-above), torch.sigmoid(above)
        return (self.desirable * good * up + self.undesirable * (1 - good) * down).sum()

    def _good(self, rows: Sequence[Encoded]) -> Float[np.ndarray, " R"]:
        """1 good, 0 bad, nan not known."""
        return np.array([thumb(one, self.threshold) for one in judgements(rows)], dtype=np.float64)
