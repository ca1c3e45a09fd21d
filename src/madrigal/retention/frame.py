"""What the prompts of a task have in common: the fixed text of its template."""

from collections.abc import Sequence
from dataclasses import dataclass

Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """The beginning and the end of all prompts of a task, and the lengths of what stands between.

    Nothing that a single prompt says is in it.
    """

    head: Tokens
    tail: Tokens
    lengths: tuple[int, ...]  # in tokens, of each prompt's own part

    def around(self, body: Sequence[int]) -> Tokens:
        """A prompt with this text between, which may have run into the end already."""
        own = tuple(body)
        if self.tail and own[-len(self.tail) :] == self.tail:
            own = own[: -len(self.tail)]
        return (*self.head, *own, *self.tail)


def frame(prompts: Sequence[Tokens]) -> Frame:
    """The longest beginning that all prompts share, and of what is left the longest end."""
    head = _shared(prompts)
    rests = [prompt[len(head) :] for prompt in prompts]
    tail = _shared([rest[::-1] for rest in rests])[::-1]
    return Frame(head, tail, tuple(len(rest) - len(tail) for rest in rests))


def _shared(rows: Sequence[Tokens]) -> Tokens:
    """The longest common beginning. Sorted, the first and the last row differ the earliest."""
    first, last = min(rows), max(rows)
    pairs = enumerate(zip(first, last, strict=False))
    return first[: next((at for at, (one, two) in pairs if one != two), len(first))]
