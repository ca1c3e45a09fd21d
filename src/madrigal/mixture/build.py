"""From a mixture's settings to its schedule."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from madrigal.errors import RecipeError
from madrigal.mixture.chance import bits
from madrigal.mixture.interleave import interleave
from madrigal.mixture.order import order
from madrigal.mixture.paced import paced
from madrigal.mixture.shares import capped, in_examples, in_tokens, policy_shares
from madrigal.mixture.size import TaskSize
from madrigal.mixture.source import Mixture, step_ends
from madrigal.recipe.curriculum import Curriculum
from madrigal.recipe.stage import Balanced, Batch, MixtureSettings
from madrigal.recipe.suggest import closest


def build_source(
    mixture: MixtureSettings,
    tasks: Sequence[TaskSize],
    batch: Batch,
    steps: int | None,
    epochs: float | None,
    seed: int,
    curriculum: Curriculum | None = None,
) -> Mixture:
    """The schedule of one stage: `steps` steps, or `epochs` passes over all examples together.

    What a step sees does not depend on the number of steps, except through caps on epochs, which
    are spread over the whole stage, and through a curriculum, whose points are shares of it.

    Raises:
        RecipeError: a task without examples, weights that do not fit the tasks, a `within` field
            that no task has, caps that allow fewer steps than were asked for, a curriculum that
            the steps are too few for, or one together with caps.
    """
    if (steps is None) == (epochs is None):
        raise RecipeError("stage: give one of `steps` and `epochs`")
    _check(mixture, tasks)
    plan = _Plan(mixture, tuple(tasks), batch, seed)
    if curriculum is not None:
        return plan.paced(curriculum, steps, epochs)
    if epochs is not None:
        return plan.over_epochs(epochs)
    assert steps is not None
    return plan.over_steps(steps)


def _check(mixture: MixtureSettings, tasks: Sequence[TaskSize]) -> None:
    mistakes = [
        f"mixture: task {task.name!r} has no training example; take it out of `learn`"
        for task in tasks
        if not len(task.lengths)
    ]
    mistakes += [
        f"tasks.{task.name}.max_epochs: {task.max_epochs} of {len(task.lengths)} examples "
        "is not one whole example; raise it or take the task out of `learn`"
        for task in tasks
        if len(task.lengths) and task.cap(task.max_epochs) < 1
    ]
    if mixture.within is not None and all(task.strata is None for task in tasks):
        mistakes.append(_no_such_field(mixture.within, tasks))
    if mistakes:
        raise RecipeError(mistakes)


def _no_such_field(field: str, tasks: Sequence[TaskSize]) -> str:
    found = dict.fromkeys(name for task in tasks for name in task.fields)
    near = closest(field, found)
    hint = f"did you mean {near!r}? " if near else ""
    there = ", ".join(map(repr, found)) or "none: raw text has no fields"
    return (
        f"mixture.within: no task of the stage has a field {field!r} to draw evenly over; "
        f"{hint}found {there}"
    )


class _Plan:
    """The parts of a schedule that do not depend on its length."""

    def __init__(
        self, mixture: MixtureSettings, tasks: tuple[TaskSize, ...], batch: Batch, seed: int
    ) -> None:
        if mixture.within is None:
            tasks = tuple(replace(task, strata=None) for task in tasks)
        self.tasks = tasks
        self.batch = batch
        self.seed = seed
        self.tokens = mixture.unit == "tokens"
        self.mean_lengths = np.array([task.mean_length() for task in tasks])
        shares = policy_shares(mixture, tasks)
        self.shares = in_examples(shares, self.mean_lengths) if self.tokens else shares
        # The policy's own cap belongs to what it asks for; a task's own cap only limits it.
        self.policy_cap = mixture.max_epochs if isinstance(mixture, Balanced) else None
        self.max_epochs = [_smaller(task.max_epochs, self.policy_cap) for task in tasks]
        self.caps = np.array(
            [task.cap(limit) for task, limit in zip(tasks, self.max_epochs, strict=True)]
        )

    def over_steps(self, steps: int) -> Mixture:
        room = self.caps.sum()
        if self.batch.tokens is None:
            assert self.batch.rows is not None
            total = steps * self.batch.rows
        else:
            expected = float(self.shares @ self.mean_lengths)
            total = max(steps, math.ceil(steps * self.batch.tokens / expected))
        while True:
            schedule = self._schedule(int(min(total, room)))
            full = self._full_steps(schedule)
            if full >= steps:
                return _first(schedule, steps)
            if total >= room:
                raise RecipeError(self._too_long(f"{steps} steps are asked for", full))
            # Drawn examples were shorter than the average, so the token budget has room for more.
            total = math.ceil(total * 1.1) + 1

    def paced(self, curriculum: Curriculum, steps: int | None, epochs: float | None) -> Mixture:
        """With a curriculum, which draws some examples more often than others: without caps."""
        for task, limit in zip(self.tasks, self.max_epochs, strict=True):
            if limit is not None:
                raise RecipeError(
                    f"curriculum: {task.name!r} may have {limit:g} passes over its examples at "
                    "most, and a curriculum does not count passes; remove `max_epochs` (and "
                    "`balanced`), or the curriculum"
                )
        total = None if epochs is None else self._examples(epochs)
        if total is not None and self.batch.tokens is None:
            assert self.batch.rows is not None
            steps, total = -(-total // self.batch.rows), None
        found = paced(self.tasks, self.shares, self.batch, curriculum, self.seed, steps, total)
        asked = in_tokens(found.shares, self.mean_lengths) if self.tokens else found.shares
        return self._mixture(found.task, found.index, found.length, found.ends, asked)

    def _examples(self, epochs: float) -> int:
        return max(1, round(epochs * sum(len(task.lengths) for task in self.tasks)))

    def over_epochs(self, epochs: float) -> Mixture:
        wanted = self._examples(epochs)
        room = self.caps.sum()
        total = wanted
        if self.batch.rows is not None and self.batch.tokens is None:
            total = -(-wanted // self.batch.rows) * self.batch.rows
            if wanted <= room < total:  # the last step cannot be filled up with repetitions
                total = wanted // self.batch.rows * self.batch.rows or wanted
        if room < total:
            possible = self._full_steps(self._schedule(int(room)))
            raise RecipeError(self._too_long(f"{epochs:g} epochs are asked for", possible))
        return self._schedule(total)

    def _schedule(self, total: int) -> Mixture:
        shares = capped(self.shares, self.caps, total)
        task = interleave(shares, self.caps, total, self._ties)
        index = np.empty_like(task)
        length = np.empty_like(task)
        for k, size in enumerate(self.tasks):
            mine = task == k
            index[mine] = order(size, int(mine.sum()), self.max_epochs[k], self.seed)
            length[mine] = size.lengths[index[mine]]
        ends = step_ends(length, self.batch.rows, self.batch.tokens)
        return self._mixture(task, index, length, ends, self._asked(total))

    def _mixture(
        self,
        task: Int[np.ndarray, " N"],
        index: Int[np.ndarray, " N"],
        length: Int[np.ndarray, " N"],
        ends: Int[np.ndarray, " steps"],
        asked: Float[np.ndarray, " K"],
    ) -> Mixture:
        names = tuple(size.name for size in self.tasks)
        return Mixture(
            names=names,
            sizes=tuple(len(size.lengths) for size in self.tasks),
            asked=dict(zip(names, asked.tolist(), strict=True)),
            task=task,
            index=index,
            length=length,
            ends=ends,
        )

    def _asked(self, total: int) -> Float[np.ndarray, " K"]:
        caps = np.array([task.cap(self.policy_cap) for task in self.tasks])
        shares = capped(self.shares, caps, total)
        return in_tokens(shares, self.mean_lengths) if self.tokens else shares

    def _ties(self, k: int, count: int) -> np.ndarray:
        return bits(count, self.seed, self.tasks[k].name, "place")

    def _full_steps(self, schedule: Mixture) -> int:
        """Steps that hold all they can; a last one that ran out of examples does not count."""
        if self.batch.tokens is None:
            assert self.batch.rows is not None
            return len(schedule.task) // self.batch.rows
        return schedule.steps - 1 if len(schedule.task) else 0

    def _too_long(self, asked: str, possible: int) -> str:
        limits = ", ".join(
            f"{task.name!r} {limit:g}"
            for task, limit in zip(self.tasks, self.max_epochs, strict=True)
            if limit is not None
        )
        return (
            f"mixture: {asked}, but `max_epochs` ({limits}) allows {possible} steps; "
            "ask for fewer, raise `max_epochs` or make the batch smaller"
        )


def _first(schedule: Mixture, steps: int) -> Mixture:
    ends = schedule.ends[:steps]
    used = slice(0, int(ends[-1]))
    return Mixture(
        names=schedule.names,
        sizes=schedule.sizes,
        asked=schedule.asked,
        task=schedule.task[used],
        index=schedule.index[used],
        length=schedule.length[used],
        ends=ends,
    )


def _smaller(first: float | None, second: float | None) -> float | None:
    limits = [limit for limit in (first, second) if limit is not None]
    return min(limits) if limits else None
