"""The states of a task's prompts are brought near to those of another task's."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from madrigal.objectives.base import Need, Outputs, Pool
from madrigal.objectives.distances import DISTANCES, How
from madrigal.objectives.likelihood import Likelihood
from madrigal.tasks.encoded import Encoded


@dataclass(frozen=True, slots=True)
class Align(Likelihood):
    """Likelihood of the answer, and a distance to what another task's prompts look like inside.

    With S / N the likelihood's loss of a task, X the states of its rows in the step and Y those of
    the task `to`, the task's loss is

        likelihood S / N + strength distance(X, Y)

    The distance is of covariances (CORAL; Sun and Saenko, 2016), or the maximum mean discrepancy
    with a sum of kernels (MMD; Gretton et al., 2012; Long et al., 2015); see `distances`. A row's
    state is the last one of the decoder where the answer begins, or the mean over the tokens
    before; of raw text, at its end, or the mean over all. A step in which one of the tasks has
    fewer than two rows has no distance.

    Y stands still here: a task pays for its own rows, as with every objective, so that gradients
    by task stay apart. Where both tasks are aligned with each other, their gradients add up to that
    of the papers.

    Differs from the papers: one layer, the last; X and Y are seen without dropout; the bandwidths
    follow from the step's own distances.
    """

    to: str = ""
    how: How = "coral"
    strength: float = 1.0
    likelihood: float = 1.0
    pool: Pool = "last"

    @property
    def needs(self) -> frozenset[Need]:
        spread = self.label_smoothing
        return frozenset({"logps", "mean_logps", "states"} if spread else {"logps", "states"})

    def loss(self, rows: Sequence[Encoded], outputs: Outputs) -> Float[Tensor, ""]:
        cost = self.likelihood * Likelihood.loss(self, rows, outputs)
        if outputs.met is None or not rows:
            return cost
        if outputs.states is None:
            raise ValueError("an alignment needs the rows' states, and there were none")
        met = outputs.met
        value, pull = DISTANCES[self.how](met.own, met.other)
        moved = pull(outputs.states)
        # The value is shared out by units; the gradient is each row's own.
        shared = self.count(rows) * value + met.units * (moved - moved.detach())
        return cost + self.strength * shared.to(cost.dtype)
