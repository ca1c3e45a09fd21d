"""The contract of an objective: what a good output costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from madrigal.tasks.encoded import Encoded, Example

# "reference" is not of the model's outputs: the rows' `judged.reference` is to be known.
Need = Literal["logps", "mean_logps", "scores", "values", "states", "reference"]
# Which state stands for a row: the one that its answer begins from, or the mean before the answer.
Pool = Literal["last", "mean"]


@dataclass(frozen=True, slots=True)
class Met:
    """The states of all rows of a step, without gradients: of an objective's own task, and of the
    task that it is compared with. `units` are the own task's, over the whole step."""

    own: Float[Tensor, "R D"]
    other: Float[Tensor, "Q D"]
    units: float


@dataclass(frozen=True, slots=True)
class Outputs:
    """What the model computed for the N trained positions of some rows, in row order.

    `logps[n]` is the log-probability of the trained token; `mean_logps[n]` the mean log-probability
    over the vocabulary (for label smoothing), present only when an objective needs it. `scores` are
    the outputs of a head with H units at the end of each of the R rows. `values` are a critic's, of
    what is expected before each trained token. `survey` is what a `Surveys` found out about the
    whole step.
    """

    row: Int[Tensor, " N"]  # index into the rows given to the objective
    logps: Float[Tensor, " N"]
    mean_logps: Float[Tensor, " N"] | None = None
    scores: Float[Tensor, "R H"] | None = None
    values: Float[Tensor, " N"] | None = None
    survey: Float[Tensor, " S"] | None = None
    states: Float[Tensor, "R D"] | None = None
    met: Met | None = None


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


@runtime_checkable
class Scored(Protocol):
    """An objective that needs "scores"."""

    @property
    def heads(self) -> int:
        """Scores a row; the first is the reward."""
        ...


@runtime_checkable
class Tempered(Protocol):
    """An objective whose log-probabilities are those of a tempered distribution."""

    @property
    def sampling_temperature(self) -> float:
        """What logits are divided by."""
        ...


@runtime_checkable
class Surveys(Protocol):
    """An objective that must know the whole step before it can tell what a part of it costs.

    Before the passes of a step the model sees the rows of `survey_rows` without gradients. `survey`
    of some of them is a vector of sums. Added up over all of them, microbatches and processes
    alike, it stands in `outputs.survey` when `loss` is asked. So a loss that is no sum over
    examples (a batch's divergence, a correlation) still is the same in eight microbatches as in
    one.
    """

    def survey_rows(self, examples: Sequence[Example], context: int) -> tuple[Encoded, ...]:
        """Rows of at most `context` tokens that the model is to see. Where there are none,
        `outputs.survey` is the `survey` of no rows."""
        ...

    def survey(self, rows: Sequence[Encoded], outputs: Outputs) -> Float[Tensor, " S"]:
        """Sums over some of these rows. What the rows and the outputs hold is as for `loss`."""
        ...


@runtime_checkable
class Meets(Protocol):
    """An objective that compares its task's rows with another task's, over the whole step.

    Before the passes of a step the model sees the rows of both tasks without gradients or dropout;
    their states stand in `outputs.met`. It is None where one of the tasks has fewer than two rows
    in the step. The loss of some rows is then again a function of these rows alone.
    """

    @property
    def to(self) -> str:
        """The other task."""
        ...

    @property
    def pool(self) -> Pool: ...
