"""The contract of a loss term that belongs to no task."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable


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
