"""What texts cost: calls, tokens, money."""

from collections.abc import Sequence
from dataclasses import dataclass

from madrigal.experience.generator import Asked, Generator, Said

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """In any currency, for a million tokens."""

    read: float = 0.0
    written: float = 0.0


@dataclass(frozen=True, slots=True)
class Usage:
    """Sums over requests, each counted once, whether it was asked now or is kept from before."""

    calls: int = 0
    read: int = 0
    written: int = 0
    cost: float = 0.0

    def plus(self, said: Said, price: Price) -> "Usage":
        """With one more answer."""
        cost = (said.read * price.read + said.written * price.written) / _MILLION
        return Usage(
            self.calls + 1, self.read + said.read, self.written + said.written, self.cost + cost
        )


class Counted:
    """Asks a generator and adds up what each purpose takes; the same request counts once.

    `usage` follows from what was asked alone, so it is the same after a kill and a resume.
    """

    def __init__(self, generator: Generator, price: Price = Price()) -> None:
        self.generator = generator
        self._price = price
        self._seen: set[str] = set()
        self.usage: dict[str, Usage] = {}

    def __call__(self, asked: Sequence[Asked]) -> list[Said]:
        """One text for each request, in their order."""
        said = self.generator.answer(asked)
        for one, answer in zip(asked, said, strict=True):
            key = one.key("")
            if key not in self._seen:
                self._seen.add(key)
                before = self.usage.get(one.purpose, Usage())
                self.usage[one.purpose] = before.plus(answer, self._price)
        return said
