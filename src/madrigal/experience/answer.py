"""An answer of the model's own, and what is asked of a reward."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from madrigal.tasks.record import Record


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model answers. The record's answers are what counts as right, where any do."""

    tokens: Int[np.ndarray, " P"]
    record: Record
    limit: int  # most tokens of an answer, its end among them


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model wrote behind a prompt."""

    prompt: Prompt
    tokens: Int[np.ndarray, " A"]  # the end token among them, where there is one
    text: str
    ended: bool  # it came to its end before the limit


# What each answer is worth; not a number where that cannot be said. RunStopped where nobody can be
# asked for now.
Reward = Callable[[Sequence[Answer]], Float[np.ndarray, " R"]]


@dataclass(frozen=True, slots=True)
class Opinions:
    """What the members of an ensemble make of answers: their common score, and the standard
    deviation of their own scores. Divided by n, not n - 1: the members are all there are."""

    score: Float[np.ndarray, " R"]
    apart: Float[np.ndarray, " R"]


@dataclass(frozen=True, slots=True)
class Partly:
    """Rewards of which some are not known, and why, by the answer's number."""

    score: Float[np.ndarray, " R"]
    why: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Worth:
    """What answers are worth, how far the members of ensembles are apart about it, None where no
    ensemble was asked, and why some have no reward, where it is known."""

    rewards: Float[np.ndarray, " R"]
    apart: Float[np.ndarray, " R"] | None = None
    why: Mapping[int, str] = field(default_factory=dict)


Given = Callable[[Sequence[Answer]], Worth]
Part = Callable[[Sequence[Answer]], Float[np.ndarray, " R"] | Opinions | Partly]


def weighted(rewards: Sequence[tuple[float, Part]]) -> Given:
    """The sum of several rewards, each with its weight. What members are apart about is added as
    independent parts of a sum are: squares, with the squares of the weights."""

    def summed(answers: Sequence[Answer]) -> Worth:
        total, squares = np.zeros(len(answers)), None
        why: dict[int, str] = {}
        for weight, reward in rewards:
            found = reward(answers)
            if isinstance(found, Opinions):
                own = (weight * found.apart) ** 2
                squares = own if squares is None else squares + own
                found = found.score
            elif isinstance(found, Partly):
                why = {**found.why, **why}
                found = found.score
            total = total + weight * found
        return Worth(total, None if squares is None else np.sqrt(squares), why)

    return summed


@dataclass(frozen=True, slots=True)
class Scale:
    """The mean and spread of rewards, from the first ones on until there are enough."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    ENOUGH = 64  # answers

    def with_more(self, rewards: Float[np.ndarray, " R"]) -> "Scale":
        """With these, unless there were enough before; what is not a number tells nothing."""
        if self.count >= Scale.ENOUGH:
            return self
        known = rewards[np.isfinite(rewards)]
        return Scale(
            self.count + len(known),
            self.total + float(known.sum()),
            self.squares + float((known**2).sum()),
        )

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    @property
    def spread(self) -> float:
        """The standard deviation; 1 where all rewards are the same."""
        if self.count < 2:
            return 1.0
        variance = (self.squares - self.count * self.mean**2) / (self.count - 1)
        near_none = 1e-12 * max(1.0, self.squares / self.count)
        return math.sqrt(variance) if variance > near_none else 1.0

    def applied(self, rewards: Float[np.ndarray, " R"]) -> Float[np.ndarray, " R"]:
        """Rewards with mean 0 and standard deviation 1, as far as is known."""
        return (rewards - self.mean) / self.spread
