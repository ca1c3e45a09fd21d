"""Likelihood of the answer, or of every token of raw text."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.objectives.base import Need, Outputs
from madrigal.tasks.encoded import Encoded, Example


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Negative log-likelihood of the trained tokens, in nats.

    With logp_t the log-probability of trained token t, V the vocabulary and e = `label_smoothing`,
    a token costs

        c_t = -(1 - e) logp_t - e / V sum_v logp_t(v)

    (Szegedy et al., 2016, section 7; the same as torch's `cross_entropy`). The loss of a task is

        tokens:    sum_t c_t / number of trained tokens               long answers count more
        examples:  sum_r (mean over t in r of c_t) / number of rows   every answer counts the same

    where `loss` is the numerator and `count` the denominator.
    """

    normalise: Literal["tokens", "examples"] = "tokens"
    label_smoothing: float = 0.0

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({"logps", "mean_logps"} if self.label_smoothing else {"logps"})

    def encode_rows(self, example: Example) -> tuple[Encoded, ...]:
        """Of judged answers only the best one is learnt; of equals the first."""
        return example if example[0].judged is None else (max(example, key=_worth),)

    def count(self, rows: Sequence[Encoded]) -> float:
        if self.normalise == "tokens":
            return float(sum(row.answer_tokens for row in rows))
        return float(sum(row.answer_tokens > 0 for row in rows))

    def loss(self, rows: Sequence[Encoded], outputs: Outputs) -> Float[Tensor, ""]:
        cost = -(1 - self.label_smoothing) * outputs.logps
        if self.label_smoothing:
            if outputs.mean_logps is None:
                raise ValueError("label smoothing needs mean_logps, and the model gave none")
            cost = cost - self.label_smoothing * outputs.mean_logps
        if self.normalise == "tokens":
            return cost.sum()
        lengths = torch.tensor([row.answer_tokens for row in rows], device=cost.device)
        return (cost / lengths[outputs.row]).sum()


def _worth(row: Encoded) -> float:
    """How often an answer was found better than others, or how it was rated alone."""
    assert row.judged is not None
    against = [chance for chance in row.judged.wins if not math.isnan(chance)]
    if against:
        return sum(against) / len(against)
    return -math.inf if math.isnan(row.judged.value) else row.judged.value
