"""An example's rows as lines of a batch: each its own, or all behind one prompt."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from madrigal.model.branches import joined
from madrigal.tasks.encoded import Encoded

# A shorter prompt is computed again for each answer: attention by mask costs more than it saves.
LEAST_PROMPT = 8


@dataclass(frozen=True, slots=True)
class Placed:
    """One example of a step: its task, and its rows, which stay in one microbatch.

    With a `prompt` of so many tokens, that all rows begin with, they form one line of the batch:
    prompt, first answer, second answer, and so on.
    """

    task: str
    rows: tuple[Encoded, ...]
    half: int = 0  # of the task's examples in this step
    prompt: int = 0

    @property
    def lines(self) -> int:
        return 1 if self.prompt else len(self.rows)

    @property
    def width(self) -> int:
        return self.tokens if self.prompt else max(row.length for row in self.rows)

    @property
    def tokens(self) -> int:
        return sum(row.length for row in self.rows) - self.prompt * (len(self.rows) - 1)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a batch. `before[r]` are the places in it whose states predict the trained tokens
    of its row r, `ends[r]` is that of its last token. `part` and `position` are as in `Branches`.
    """

    tokens: Int[np.ndarray, " T"]
    before: tuple[Int[np.ndarray, " _"], ...]
    ends: tuple[int, ...]
    part: list[int]
    position: list[int]


def placed_rows(task: str, rows: tuple[Encoded, ...], half: int, share: bool) -> Placed:
    """The rows of an example where they go: in one line if they may share a prompt and have one."""
    return Placed(task, rows, half, _shared_prompt(rows) if share and len(rows) > 1 else 0)


def _shared_prompt(rows: tuple[Encoded, ...]) -> int:
    """How many tokens stand before the first trained one, if these are the same in all rows."""
    first = rows[0]
    length = int(first.trained.argmax())
    if length < LEAST_PROMPT:
        return 0
    same = all(
        row.length > length
        and bool(row.trained[length])
        and not row.trained[:length].any()
        and np.array_equal(row.tokens[:length], first.tokens[:length])
        for row in rows
    )
    return length if same else 0


def lines_of(example: Placed) -> Iterator[Line]:
    """The lines of an example, its rows in order."""
    if not example.prompt:
        for row in example.rows:
            before = np.flatnonzero(row.trained) - 1
            end = (row.length - 1,)
            yield Line(row.tokens, (before,), end, [0] * row.length, list(range(row.length)))
        return
    prompt = example.prompt
    answers = [row.tokens[prompt:] for row in example.rows]
    before, ends, begin = [], [], prompt
    for row, answer in zip(example.rows, answers, strict=True):
        places = begin + np.flatnonzero(row.trained[prompt:]) - 1
        # An answer's first token follows the prompt, wherever the answer stands.
        before.append(np.where(places < begin, prompt - 1, places))
        begin += len(answer)
        ends.append(begin - 1)
    part, position = joined(prompt, tuple(len(answer) for answer in answers))
    tokens = np.concatenate([example.rows[0].tokens[:prompt], *answers])
    yield Line(tokens, tuple(before), tuple(ends), part, position)
