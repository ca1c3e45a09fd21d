"""Identity preference optimisation: a regression that does not run away from sure labels."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from madrigal.objectives.answers import Normalise, log_ratios
from madrigal.objectives.base import Need, Outputs
from madrigal.objectives.pairs import compared_examples, pairs_of
from madrigal.tasks.encoded import Encoded, Example


@dataclass(frozen=True, slots=True)
class Ipo:
    """The log-ratios of two answers are brought a fixed distance apart (IPO; Azar et al., 2024).

    With r(y) = log pi(y|x) - log pi_ref(y|x), i better than j costs

        l(i, j) = (r(i) - r(j) - 1 / (2 beta))^2

    (equation 17 of the paper, where beta is tau), and a pair of which i is better with chance p
    costs p l(i, j) + (1 - p) l(j, i). The loss is the mean over an example's pairs, summed over
    examples; it is (1 / (2 beta))^2 a pair at the reference. Where answers to be compared are drawn
    from mu, the optimum is pi* ~ pi_ref exp(E_{y'~mu}[p(y better than y')] / beta), another one
    than DPO's, and a finite one also where p is 0 or 1.

    `normalise` says what r is: `none` the sum over the answer's tokens, as in equation 17 and in
    the reference code of DPO; `tokens` the mean, as in TRL, whose authors were told by those of the
    paper that its results are so. The distance 1 / (2 beta) is then one by token: a beta that is
    right for one is wrong for the other.

    Differs from the paper: ties and soft labels, which cost what hard labels drawn with their
    chance would on average.
    """

    beta: float = 0.1
    normalise: Normalise = "none"

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({"logps", "reference"})

    def encode_rows(self, example: Example) -> tuple[Encoded, ...]:
        return example

    def count(self, rows: Sequence[Encoded]) -> float:
        return float(len(compared_examples(rows)))

    def loss(self, rows: Sequence[Encoded], outputs: Outputs) -> Float[Tensor, ""]:
        pairs, distance = pairs_of(rows, outputs.logps), 1 / (2 * self.beta)
        ratios = log_ratios(rows, outputs, self.normalise)
        above = ratios[pairs.first] - ratios[pairs.second]
        right, wrong = (above - distance).square(), (above + distance).square()
        return pairs.mean(pairs.wins * right + (1 - pairs.wins) * wrong)
