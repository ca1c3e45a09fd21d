"""Simple preference optimisation: the reward is what generation goes by, without a reference."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from madrigal.objectives.answers import averaged
from madrigal.objectives.base import Need, Outputs
from madrigal.objectives.pairs import compared_examples, logistic, pairs_of
from madrigal.tasks.encoded import Encoded, Example


@dataclass(frozen=True, slots=True)
class Simpo:
    """The better answer's tokens become more likely than the worse one's (Meng et al., 2024).

    With m(y) = log pi(y|x) / |y| the mean log-probability of an answer's tokens, i better than j
    costs, in nats,

        l(i, j) = -log sigma(beta m(i) - beta m(j) - gamma)

    and a pair of which i is better with chance p costs p l(i, j) + (1 - p) l(j, i). The loss is the
    mean over an example's pairs, summed over examples. Nothing holds the model but its learning
    rate: there is no reference.

    Differs from the paper: ties and soft labels, which cost what hard labels drawn with their
    chance would on average.
    """

    beta: float = 2.0
    gamma: float = 1.0

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({"logps"})

    def encode_rows(self, example: Example) -> tuple[Encoded, ...]:
        return example

    def count(self, rows: Sequence[Encoded]) -> float:
        return float(len(compared_examples(rows)))

    def loss(self, rows: Sequence[Encoded], outputs: Outputs) -> Float[Tensor, ""]:
        pairs, rewards = pairs_of(rows, outputs.logps), self.beta * averaged(rows, outputs)
        above = rewards[pairs.first] - rewards[pairs.second]
        return pairs.mean(logistic(above - self.gamma, -above - self.gamma, pairs.wins))
