"""The contract of a loss term that belongs to no task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from madrigal.tasks.encoded import Example


@runtime_checkable
class Term(Protocol):
    """Something that is added to the loss of a step once the tasks are weighed against each other.

    It depends on the parameters alone, so it is the same in every process and whatever the
    microbatches are.
    """

    @property
    def name(self) -> str:
        """What it is called in steps.jsonl."""
        ...

    def add_gradient(self, weights: Mapping[str, float]) -> float | None:
        """Add the term's gradient to `parameter.grad`; its value, or None where it says nothing.

        `weights` are those of the tasks that are present in the step.
        """
        ...


@dataclass(frozen=True, slots=True)
class Said:
    """What a term of a step's examples came to: its value, and how many tokens the model read for
    it and was trained on."""

    value: float
    read: int
    trained: int

    @property
    def tokens(self) -> dict[str, int]:
        """For the log."""
        return {"read": self.read, "trained": self.trained}


@runtime_checkable
class StepTerm(Protocol):
    """A term that also depends on the examples of the step, and is the same in every process."""

    @property
    def name(self) -> str:
        """What it is called in steps.jsonl."""
        ...

    def add_gradient(
        self, step: int, drawn: Sequence[Example], weights: Mapping[str, float]
    ) -> Said | None:
        """As that of `Term`, for the examples that step `step` draws, in their order."""
        ...
