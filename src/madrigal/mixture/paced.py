"""A schedule with a curriculum: made step by step, since what may be drawn changes with them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from madrigal.errors import RecipeError
from madrigal.mixture.chance import bits
from madrigal.mixture.competence import competence
from madrigal.mixture.interleave import endless
from madrigal.mixture.size import TaskSize
from madrigal.mixture.walk import Walk
from madrigal.recipe.curriculum import Curriculum
from madrigal.recipe.stage import Batch


@dataclass(frozen=True, slots=True)
class Paced:
    """Draws in their order, where each step ends, and the shares that were asked for on average."""

    task: Int[np.ndarray, " N"]
    index: Int[np.ndarray, " N"]
    length: Int[np.ndarray, " N"]
    ends: Int[np.ndarray, " steps"]
    shares: Float[np.ndarray, " K"]  # of the examples


@dataclass(frozen=True, slots=True)
class _Draw:
    task: int
    index: int
    length: int


def paced(
    tasks: Sequence[TaskSize],
    shares: Float[np.ndarray, " K"],
    batch: Batch,
    curriculum: Curriculum,
    seed: int,
    steps: int | None,
    total: int | None,
) -> Paced:
    """A schedule of `steps` steps, or of `total` draws, of tasks with these shares.

    Tasks come in by `curriculum.enter`: task k at the first step before which at least the share
    enter_k of the stage is over. A recipe names these points, and not an order with overlaps,
    because no task ever leaves: the points are all there is to say, and each can be read and moved
    without the others. While some tasks are out their shares go to the others in proportion to
    theirs; from its entry on every task has the share that the mixture gives it among those that
    are in. So a task that comes in late gets fewer examples over the stage than its share, and the
    others more: what is kept is the size of a step and the ratios between the tasks that are in.
    Within a task examples come by `curriculum.difficulty` (see `competence`).

    Raises:
        RecipeError: a task that comes in after the last step, or two that should come in one after
            the other and do so at the same step.
    """
    course = _Course(tasks, shares, batch, curriculum, seed)
    drawn: list[_Draw] = []
    ends: list[int] = []
    while (len(ends) < steps) if steps is not None else (len(drawn) < (total or 0)):
        progress = len(ends) / steps if steps is not None else len(drawn) / (total or 1)
        room = None if total is None else total - len(drawn)
        drawn += course.step(len(ends), progress, room)
        ends.append(len(drawn))
    course.refuse_missed(len(ends))
    return Paced(
        task=np.array([one.task for one in drawn], dtype=np.int64),
        index=np.array([one.index for one in drawn], dtype=np.int64),
        length=np.array([one.length for one in drawn], dtype=np.int64),
        ends=np.array(ends, dtype=np.int64),
        shares=course.mean_shares(),
    )


class _Course:
    """What is in, and what each task draws next."""

    def __init__(
        self,
        tasks: Sequence[TaskSize],
        shares: Float[np.ndarray, " K"],
        batch: Batch,
        curriculum: Curriculum,
        seed: int,
    ) -> None:
        self.tasks, self.shares, self.batch, self.seed = tasks, shares, batch, seed
        self.difficulty, self.enter = curriculum.difficulty, curriculum.enter
        self.starts = [curriculum.enter.get(task.name, 0.0) for task in tasks]
        # A guess of the places that are needed at first; more are made where it is too low.
        self.expected = 64 * (batch.rows or 32)
        self.walks = [Walk(task, self.difficulty, seed, self.expected) for task in tasks]
        self.entered: dict[str, int] = {}  # step of the first draws of each named task that is in
        self.counts = np.zeros(len(tasks), dtype=np.int64)
        self.present: tuple[int, ...] = ()
        self.phases: list[tuple[Float[np.ndarray, " K"], int]] = []  # shares, draws
        self.turns: Iterator[int] = iter(())
        self.waiting: _Draw | None = None  # did not fit into the last step

    def step(self, number: int, progress: float, room: int | None) -> list[_Draw]:
        """The draws of one step, at most `room`; `progress` is the share of the stage before it."""
        self._let_in(number, progress)
        most = math.inf if room is None else room
        budget = math.inf if self.batch.tokens is None else self.batch.tokens
        if self.batch.tokens is None and self.batch.rows is not None:
            most = min(most, self.batch.rows)
        drawn: list[_Draw] = []
        spent = 0
        while len(drawn) < most:
            one = self.waiting or self._draw(progress)
            self.waiting = one if drawn and spent + one.length > budget else None
            if self.waiting is not None:
                break
            drawn.append(one)
            spent += one.length
        shares, before = self.phases[-1]
        self.phases[-1] = (shares, before + len(drawn))
        return drawn

    def _let_in(self, number: int, progress: float) -> None:
        present = tuple(k for k, start in enumerate(self.starts) if start <= progress)
        if present == self.present:
            return
        for task in (self.tasks[k].name for k in present):
            if task in self.enter:
                self.entered.setdefault(task, number)
        self.present = present
        here = np.zeros(len(self.shares))
        here[list(present)] = self.shares[list(present)]
        whole = len(present) == len(self.tasks)  # then the shares sum to 1 as they are
        self.phases.append((here if whole else here / here.sum(), 0))
        before = self.counts.copy()
        self.turns = endless(
            self.phases[-1][0][list(present)],
            self.expected,
            lambda k, count: self._ties(present[k], int(before[present[k]]), count),
        )

    def _ties(self, task: int, before: int, count: int) -> np.ndarray:
        """Numbers that order turns of different tasks that are due together."""
        return bits(before + count, self.seed, self.tasks[task].name, "place")[before:]

    def _draw(self, progress: float) -> _Draw:
        k = self.present[next(self.turns)]
        self.counts[k] += 1
        able = 1.0
        if self.difficulty is not None:
            start = self.starts[k]
            able = competence((progress - start) / (1 - start), self.difficulty)
        index = self.walks[k].next(able)
        return _Draw(k, index, int(self.tasks[k].lengths[index]))

    def mean_shares(self) -> Float[np.ndarray, " K"]:
        """The shares asked for, over all draws."""
        total = sum(draws for _, draws in self.phases)
        return sum((shares * (draws / total) for shares, draws in self.phases), 0 * self.shares)

    def refuse_missed(self, steps: int) -> None:
        """Say which entries the steps were too few for."""
        late = [task.name for task in self.tasks if task.name in set(self.enter) - {*self.entered}]
        mistakes = [
            f"curriculum.enter.{name}: {self.enter[name]:g} of {steps} steps is after the last of "
            "them; lower it or take more steps"
            for name in late
        ]
        mistakes += [
            f"curriculum.enter: {first!r} ({self.enter[first]:g}) and {second!r} "
            f"({self.enter[second]:g}) would come in at the same of {steps} steps; take more "
            "steps, or give both the same share"
            for first, second in _together(self.entered)
            if self.enter[first] != self.enter[second]
        ]
        if mistakes:
            raise RecipeError(mistakes)


def _together(entered: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Tasks that come in at the same step as one before them in the list."""
    seen: dict[int, str] = {}
    for name, step in entered.items():
        if step in seen:
            yield seen[step], name
        seen.setdefault(step, name)
