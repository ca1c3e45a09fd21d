"""The examples of one task, drawn one by one, while more and more of them are allowed."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int

from madrigal.mixture.chance import bits, permutation
from madrigal.mixture.competence import allowed, ranks
from madrigal.mixture.interleave import endless
from madrigal.mixture.shares import uniform
from madrigal.mixture.size import TaskSize
from madrigal.recipe.curriculum import Difficulty

_AHEAD = 256  # places of a pass that are looked at together


class _Passes:
    """Examples of one stratum. A pass goes through all of them in a random order and leaves out
    those that are too difficult when their turn comes, so it draws without replacement."""

    def __init__(self, ranks: Int[np.ndarray, " n"], *key: str | int) -> None:
        self._ranks, self._key = ranks, key
        self._pass = self._at = 0
        self._begin()

    def _begin(self) -> None:
        self._order = permutation(len(self._ranks), *self._key, "pass", self._pass)
        self._ahead = self._ranks[self._order]

    def next(self, competence: float) -> int:
        limit = allowed(len(self._ranks), competence)
        while True:
            fits = self._ahead[self._at : self._at + _AHEAD] <= limit
            if fits.any():
                self._at += int(fits.argmax()) + 1
                return int(self._order[self._at - 1])
            self._at += _AHEAD
            if self._at >= len(self._ahead):
                self._pass, self._at = self._pass + 1, 0
                self._begin()


class Walk:
    """The examples of a task in the order in which they are drawn.

    With a competence of 1 throughout this is `order`: strata take turns evenly, and within one
    every pass is a fresh permutation. Difficulty is ranked within each stratum, so that strata
    keep their turns whatever they hold. A task whose difficulty is not known is drawn from whole.
    """

    def __init__(
        self, task: TaskSize, settings: Difficulty | None, seed: int, expected: int
    ) -> None:
        groups = task.groups()
        names = tuple(groups)
        self._groups = tuple(groups.values())
        self._passes = tuple(
            _Passes(self._ranked(task, settings, seed, name, group), seed, task.name, name)
            for name, group in groups.items()
        )
        self._turns: Iterator[int] = endless(
            uniform(np.empty(len(names))),
            expected,
            lambda k, count: bits(count, seed, task.name, names[k], "turns"),
        )

    @staticmethod
    def _ranked(
        task: TaskSize, settings: Difficulty | None, seed: int, name: str, group: np.ndarray
    ) -> Int[np.ndarray, " n"]:
        if settings is None:
            return np.ones(len(group), dtype=np.int64)
        known = task.lengths if settings.by == "length" else task.difficulty
        if known is None:
            return np.ones(len(group), dtype=np.int64)
        ties = bits(len(group), seed, task.name, name, "difficulty")
        return ranks(known[group].astype(float), settings.easy_first, ties)

    def next(self, competence: float) -> int:
        """The next example at this competence, by its index in the task."""
        stratum = next(self._turns)
        return int(self._groups[stratum][self._passes[stratum].next(competence)])
