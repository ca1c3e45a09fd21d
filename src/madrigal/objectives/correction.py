"""Training on corrected text: towards the correction, away from the original."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.objectives.answers import judgements, log_ratios
from madrigal.objectives.base import Need, Outputs
from madrigal.objectives.dpo import of_better, preference
from madrigal.objectives.pairs import compared_examples, pairs_of
from madrigal.tasks.encoded import Encoded, Example


@dataclass(frozen=True, slots=True)
class Correction:
    """The corrected answer is learnt, and preferred to the original.

    With r(y) = log pi(y|x) - log pi_ref(y|x), corrected i and original j cost, in nats,

        l(i, j) = -preference log sigma(beta (r(i) - r(j)))
                  - likelihood sum_t w_t log pi(i_t|x, i_<t) / sum_t w_t,    w_t = 1 + edits e_t

    where e_t is 1 for the tokens of the correction that the original has not, and 0 for the others.
    A pair of which i is better with chance p costs p l(i, j) + (1 - p) l(j, i); the loss is the
    mean over an example's pairs (one, for a correction), summed over examples.

    The first term is DPO (Rafailov et al., 2023), the second keeps the likelihood of the correction
    from falling, which on nearly equal pairs it would (Pal et al., 2024): preferring needs no more
    than to push down the few tokens that differ. `preference: 0` is plain fine-tuning on the
    corrections and needs no reference.

    Differs from the papers: the two are put together here, and the weight on edited tokens is ours.
    """

    beta: float = 0.1
    preference: float = 1.0
    likelihood: float = 1.0
    edits: float = 0.0

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({"logps", "reference"} if self.preference else {"logps"})

    def encode_rows(self, example: Example) -> tuple[Encoded, ...]:
        return example

    def count(self, rows: Sequence[Encoded]) -> float:
        return float(len(compared_examples(rows)))

    def loss(self, rows: Sequence[Encoded], outputs: Outputs) -> Float[Tensor, ""]:
        pairs = pairs_of(rows, outputs.logps)
        cost = -self.likelihood * of_better(pairs, self._weighted(rows, outputs))
        if self.preference:
            ratios = self.beta * log_ratios(rows, outputs, "none")
            cost = cost + self.preference * preference(pairs, ratios, pairs.wins)
        return pairs.mean(cost)

    def _weighted(self, rows: Sequence[Encoded], outputs: Outputs) -> Float[Tensor, " R"]:
        """Weighted mean log-probability of each row's trained tokens."""
        logps = outputs.logps
        edited = [
            np.zeros(row.answer_tokens) if one.emphasis is None else one.emphasis
            for row, one in zip(rows, judgements(rows), strict=True)
        ]
        flat = torch.from_numpy(np.concatenate([np.zeros(0), *edited]))
        weights = 1 + self.edits * flat.to(logps.device, logps.dtype)
        nothing = logps.new_zeros(len(rows))
        whole = nothing.index_add(0, outputs.row, weights)
        return nothing.index_add(0, outputs.row, weights * logps) / whole.clamp(min=1)
