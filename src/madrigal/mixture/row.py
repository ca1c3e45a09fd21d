"""Which examples at which step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Draw:
    """One example of one task, by its index among the task's training examples."""

    task: str
    index: int


@runtime_checkable
class Source(Protocol):
    """Examples for each step; a pure function of seed and step."""

    @property
    def steps(self) -> int: ...

    def draws(self, step: int) -> tuple[Draw, ...]:
        """All examples of one optimiser step, all processes together. Steps count from 0."""
        ...

    def asked_shares(self) -> Mapping[str, float]: ...
