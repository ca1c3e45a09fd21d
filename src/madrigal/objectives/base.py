"""The contract of an objective: what a good output costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from madrigal.tasks.encoded import Encoded, Example

Need = Literal["logps", "mean_logps"]


@dataclass(frozen=True, slots=True)
class Outputs:
    """What the model computed for the N trained positions of some rows, in row order.

    `logps[n]` is the log-probability of the trained token; `mean_logps[n]` the mean log-probability
    over the vocabulary (for label smoothing), present only when an objective needs it.
    """

    row: Int[Tensor, " N"]  # index into the rows given to the objective
    logps: Float[Tensor, " N"]
    mean_logps: Float[Tensor, " N"] | None = None


@runtime_checkable
class Objective(Protocol):
    """A pure function of the model's outputs. `loss` is a sum; the step divides it by the count.

    The count of a task is taken over the whole step (all microbatches, all processes) before the
    forward pass, so it may depend on the data only.
    """

    @property
    def needs(self) -> frozenset[Need]: ...

    def encode_rows(self, example: Example) -> tuple[Encoded, ...]: ...

    def count(self, rows: Sequence[Encoded]) -> float:
        """Units of these rows: answer tokens, examples or pairs."""
        ...

    def loss(self, rows: Sequence[Encoded], outputs: Outputs) -> Float[Tensor, ""]:
        """Unnormalised loss of these rows in nats."""
        ...
