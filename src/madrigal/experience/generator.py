"""What writes texts: a model here, one behind an address, or rules."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from madrigal.tasks.record import Turn

# What a text is wanted for: usage is told apart by it, and rules go by it.
Purpose = Literal["answer", "critique", "revise", "choose", "rate", "rewrite"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. Temperature 0 takes the likeliest; `stop` ends a text and is cut off.

    `top_p` keeps the likeliest tokens whose probabilities sum to it.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 256
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: a conversation that ends with what the user says.

    Requests that differ in `seed` alone draw different texts. With `words`, the log-probability of
    each of them as the answer is wanted too, where the generator can tell it.
    """

    turns: tuple[Turn, ...]
    sampling: Sampling = Sampling()
    seed: int = 0
    words: tuple[str, ...] = ()
    purpose: Purpose = "answer"

    def key(self, name: str) -> str:
        """The digest of everything that decides on the text, for a generator of some name."""
        how = self.sampling
        parts = [
            name,
            [[turn.role, turn.text] for turn in self.turns],
            [how.temperature, how.top_p, how.max_tokens, list(how.stop)],
            self.seed,
            list(self.words),
        ]
        return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Said:
    """A text, whether it ended by itself, and how many tokens were read and written.

    `words` are log-probabilities in nats of the words that were asked about; None where the
    generator could not tell them.
    """

    text: str
    ended: bool = True
    read: int = 0
    written: int = 0
    words: Mapping[str, float] | None = None


# Told of each answer as it comes: its place among those asked for, and what was said.
Heard = Callable[[int, Said], None]


def unheard(place: int, said: Said) -> None:
    """For those who only want the answers at the end."""


@runtime_checkable
class Generator(Protocol):
    """Writes texts. What it says to a request is a function of the request and of `name`.

    `name` tells models apart: two generators of one name are interchangeable. Of `block`
    neighbouring requests the numbers hang together, since they share a batch; 1 where none do.
    """

    @property
    def name(self) -> str: ...

    @property
    def block(self) -> int: ...

    def answer(self, asked: Sequence[Asked], heard: Heard = unheard) -> list[Said]:
        """One text for each request, in their order; `heard` is called in any order, one at a time.

        Raises:
            RunStopped: it cannot go on now; what was heard so far is good.
        """
        ...
