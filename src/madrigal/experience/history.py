"""What guards look back on: means of the first rollouts of a task, and of the last ones."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Action = Literal["say", "raise", "shorten", "end", "roll_back"]
Means = Mapping[str, float]

KEPT = 20  # rollouts that are remembered at least


@dataclass(frozen=True, slots=True)
class Alarm:
    """A sign, the sentence with its evidence, and what is to be done."""

    sign: str
    text: str
    action: Action


@dataclass(frozen=True, slots=True)
class History:
    """Means of the first rollouts of a task, and of the last ones, oldest first."""

    first: tuple[Means, ...] = ()
    last: tuple[Means, ...] = ()
    gold: tuple[tuple[float, float, float], ...] = ()  # best window: mean, variance, reward

    def with_more(self, means: Means, window: int) -> "History":
        """With one more rollout."""
        first = self.first if len(self.first) >= window else (*self.first, means)
        last = (*self.last, means)[-max(window, KEPT) :]
        return History(first, last, best_gold(self.gold, last[-window:], window))

    def quiet(self) -> "History":
        """Without the last ones, which were dealt with: they are not counted twice."""
        return History(self.first, (), self.gold)

    def mean(self, name: str, window: int, first: bool = False) -> float:
        """Mean over the first, or the last, rollouts; nan where there are too few."""
        held = self.first if first else self.last[-window:]
        known = [one[name] for one in held if name in one and math.isfinite(one[name])]
        return float(np.mean(known)) if len(known) >= window else math.nan


def best_gold(
    before: tuple[tuple[float, float, float], ...], held: Sequence[Means], window: int
) -> tuple[tuple[float, float, float], ...]:
    """The window with the best gold reward so far: that before, or the one that ends now."""
    if len(held) < window or any("gold" not in one for one in held):
        return before
    now = (window_mean(held, "gold"), variance_of(held), window_mean(held, "reward"))
    return (now,) if not before or now[0] > before[0][0] else before


def window_mean(held: Sequence[Means], name: str) -> float:
    """Over rollouts that all know it."""
    return float(np.mean([one[name] for one in held]))


def variance_of(held: Sequence[Means]) -> float:
    """Of a window's mean gold reward."""
    return float(np.sum([one["gold_error"] ** 2 for one in held])) / len(held) ** 2
