"""Direct preference optimisation, and what is done about noise, length, falling likelihood."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from madrigal.objectives.answers import Normalise, averaged, log_ratios
from madrigal.objectives.base import Need, Outputs
from madrigal.objectives.pairs import Pairs, compared_examples, logistic, pairs_of, targets
from madrigal.tasks.encoded import Encoded, Example


@dataclass(frozen=True, slots=True)
class Dpo:
    """The better answer becomes more likely than the worse one, beyond what a reference thinks.

    With r(y) = log pi(y|x) - log pi_ref(y|x) the log-ratio of an answer (pi the model, pi_ref the
    reference), i better than j costs, in nats,

        l(i, j) = -log sigma(beta (r(i) - r(j)) - beta dpop max(0, -r(i)))
                  - likelihood log pi(i|x) / |i|

    and a pair of which i is better with chance p costs p' l(i, j) + (1 - p') l(j, i), with p' from
    p as in `targets`. The loss is the mean over an example's pairs, summed over examples.

    - DPO (Rafailov et al., 2023): dpop, likelihood, smoothing, flip_rate are 0. Where preferences
      are p = sigma(R(i) - R(j)) its optimum is pi* ~ pi_ref exp(R / beta).
    - cDPO (Mitchell, 2023): smoothing. It regularises and does not correct: another optimum.
    - rDPO (Chowdhury et al., 2024): flip_rate. With the right rate the optimum is that of clean
      labels; the loss of a single pair has no lower bound then.
    - `normalise: tokens` divides r by the answer's number of tokens (Tülu 3; Lambert et al., 2024).
    - likelihood: negative log-likelihood of the better answer by token (RPO; Pang et al., 2024).
    - dpop: keeps the better answer from becoming less likely than it was (Pal et al., 2024).

    Differs from the papers: pairs may be ties or have soft labels, which cost what hard labels
    drawn with their chance would on average; the likelihood goes by the chance of the data, p, as a
    corrected one could be negative. TRL takes the mean of the likelihood term over the tokens of a
    batch; here it is the mean over an answer's tokens, as in the paper.
    """

    beta: float = 0.1
    smoothing: float = 0.0
    flip_rate: float = 0.0
    normalise: Normalise = "none"
    likelihood: float = 0.0
    dpop: float = 0.0

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({"logps", "reference"})

    def encode_rows(self, example: Example) -> tuple[Encoded, ...]:
        return example

    def count(self, rows: Sequence[Encoded]) -> float:
        return float(len(compared_examples(rows)))

    def loss(self, rows: Sequence[Encoded], outputs: Outputs) -> Float[Tensor, ""]:
        pairs = pairs_of(rows, outputs.logps)
        wins = targets(pairs.wins, self.smoothing, self.flip_rate)
        ratios = log_ratios(rows, outputs, self.normalise)
        cost = preference(pairs, self.beta * ratios, wins, self.dpop)
        if self.likelihood:
            cost = cost - self.likelihood * of_better(pairs, averaged(rows, outputs))
        return pairs.mean(cost)


def preference(
    pairs: Pairs, rewards: Float[Tensor, " R"], wins: Float[Tensor, " M"], dpop: float = 0.0
) -> Float[Tensor, " M"]:
    """Cost of each pair under the rewards of the answers, beta r."""
    first, second = rewards[pairs.first], rewards[pairs.second]
    above = first - second
    if not dpop:
        return logistic(above, -above, wins)
    return logistic(above - dpop * (-first).relu(), -above - dpop * (-second).relu(), wins)


def of_better(pairs: Pairs, each: Float[Tensor, " R"]) -> Float[Tensor, " M"]:
    """What the better answer of each pair has, as far as it is known which one that is."""
    return pairs.wins * each[pairs.first] + (1 - pairs.wins) * each[pairs.second]
