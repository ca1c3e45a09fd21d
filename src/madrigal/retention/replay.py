"""Examples of earlier tasks on top of each step's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from jaxtyping import Int

from madrigal.mixture import Draw, Mixture
from madrigal.mixture.chance import permutation


@dataclass(frozen=True)
class Replayed:
    """A schedule with examples of earlier tasks added to its steps; implements `Source`.

    `share` is their number for each example of the schedule's own: after n of these, floor(share n)
    have been replayed, at every step. With `count` it is so many a step. Earlier tasks take turns,
    each as often, and every task's examples come in random order, all of them once before any
    twice. All of it is a function of seed and step. `sizes` holds the examples kept of each task.

    Experience replay (Chaudhry et al., 2019, On tiny episodic memories). Differs from the paper:
    the share is exact rather than one replayed batch beside each new one.
    """

    own: Mixture
    sizes: Mapping[str, int]
    share: Fraction
    count: int | None
    seed: int

    @property
    def steps(self) -> int:
        return self.own.steps

    def asked_shares(self) -> Mapping[str, float]:
        return self.own.asked_shares()

    def draws(self, step: int) -> tuple[Draw, ...]:
        mine = self.own.draws(step)
        first = int(self._ends[step - 1]) if step else 0
        return (*mine, *(self._replayed(n) for n in range(first, int(self._ends[step]))))

    @cached_property
    def _ends(self) -> Int[np.ndarray, " steps"]:
        """How many have been replayed after each step."""
        if self.count is not None:
            return self.count * np.arange(1, self.steps + 1)
        upto = [int(end) * self.share.numerator for end in self.own.ends]
        return np.array([n // self.share.denominator for n in upto], dtype=np.int64)

    def _replayed(self, number: int) -> Draw:
        names = tuple(self.sizes)
        turn, place = divmod(number, len(names))
        task = names[int(permutation(len(names), self.seed, "replay", "turn", turn)[place])]
        size = self.sizes[task]
        lap, at = divmod(turn, size)
        return Draw(task, int(permutation(size, self.seed, "replay", task, lap)[at]))
