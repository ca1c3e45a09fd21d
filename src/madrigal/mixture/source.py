"""A mixture as a schedule: which examples at which step."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int

from madrigal.mixture.row import Draw


@dataclass(frozen=True, slots=True)
class Achieved:
    """What one task got of the steps so far."""

    examples: int
    tokens: int
    epochs: float  # passes over the task's examples
    share_of_examples: float
    share_of_tokens: float


@dataclass(frozen=True)
class Mixture:
    """A schedule that is fixed before the first step; implements `Source`.

    Draw n belongs to task `task[n]`, is its example `index[n]` and `length[n]` tokens long; step s
    consists of the draws from `ends[s - 1]` up to `ends[s]`.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]  # training examples of each task
    asked: Mapping[str, float]
    task: Int[np.ndarray, " N"]
    index: Int[np.ndarray, " N"]
    length: Int[np.ndarray, " N"]
    ends: Int[np.ndarray, " steps"]

    @property
    def steps(self) -> int:
        return len(self.ends)

    def draws(self, step: int) -> tuple[Draw, ...]:
        if not 0 <= step < self.steps:
            raise IndexError(f"step {step} of a schedule of {self.steps} steps")
        span = slice(int(self.ends[step - 1]) if step else 0, int(self.ends[step]))
        return tuple(
            Draw(self.names[task], index)
            for task, index in zip(self.task[span].tolist(), self.index[span].tolist(), strict=True)
        )

    def asked_shares(self) -> Mapping[str, float]:
        """What the policy asked for, in the mixture's unit, before the tasks' own `max_epochs`."""
        return self.asked

    def achieved(self, upto_step: int | None = None) -> dict[str, Achieved]:
        """What each task gets in the steps before `upto_step`; in all of them if left out."""
        upto = self.steps if upto_step is None else upto_step
        if not 0 <= upto <= self.steps:
            raise IndexError(f"upto_step {upto} of a schedule of {self.steps} steps")
        draws = int(self.ends[upto - 1]) if upto else 0
        examples = np.bincount(self.task[:draws], minlength=len(self.names))
        tokens = np.bincount(
            self.task[:draws], weights=self.length[:draws], minlength=len(self.names)
        )
        return {
            name: Achieved(
                examples=int(examples[k]),
                tokens=int(tokens[k]),
                epochs=float(examples[k] / self.sizes[k]),
                share_of_examples=_share(examples, k),
                share_of_tokens=_share(tokens, k),
            )
            for k, name in enumerate(self.names)
        }

    def only(self, task: str) -> "Mixture":
        """The same schedule without the other tasks: step by step exactly this task's draws.

        A step that draws nothing of the task is empty. This is the equal budget of a single-task
        baseline.
        """
        if task not in self.names:
            raise KeyError(task)
        mine = self.task == self.names.index(task)
        counts = np.concatenate([[0], np.cumsum(mine)])
        return replace(
            self,
            names=(task,),
            sizes=(self.sizes[self.names.index(task)],),
            asked={task: 1.0},
            task=np.zeros(int(mine.sum()), dtype=np.int64),
            index=self.index[mine],
            length=self.length[mine],
            ends=counts[self.ends],
        )


def _share(counts: np.ndarray, k: int) -> float:
    return float(counts[k] / counts.sum()) if counts.sum() else 0.0


def step_ends(
    lengths: Int[np.ndarray, " N"], rows: int | None, tokens: int | None
) -> Int[np.ndarray, " steps"]:
    """Where each step ends when the draws fill steps in order; the last step may be unfinished.

    With `rows` a step is so many draws; with `tokens` as many as fit, and at least one.
    """
    count = len(lengths)
    if tokens is None:
        assert rows is not None
        return np.minimum(np.arange(1, -(-count // rows) + 1) * rows, count)
    upto = np.concatenate([[0], np.cumsum(lengths)])
    ends: list[int] = []
    start = 0
    while start < count:
        start = max(start + 1, int(np.searchsorted(upto, upto[start] + tokens, side="right")) - 1)
        ends.append(start)
    return np.array(ends, dtype=np.int64)
