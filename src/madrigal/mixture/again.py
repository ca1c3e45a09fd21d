"""Prompts whose answers several steps learn from."""

from collections.abc import Mapping
from dataclasses import dataclass

from madrigal.mixture.row import Draw, Source


@dataclass(frozen=True, slots=True)
class Again:
    """A schedule in which some tasks repeat what they drew: steps n E to n E + E - 1 of a task with
    E `epochs` have the draws of step n E. Other tasks keep theirs. Implements `Source`."""

    own: Source
    epochs: Mapping[str, int]

    @property
    def steps(self) -> int:
        return self.own.steps

    def draws(self, step: int) -> tuple[Draw, ...]:
        found = [draw for draw in self.own.draws(step) if draw.task not in self.epochs]
        for task, epochs in self.epochs.items():
            found += [d for d in self.own.draws(step - step % epochs) if d.task == task]
        return tuple(found)

    def asked_shares(self) -> Mapping[str, float]:
        return self.own.asked_shares()
