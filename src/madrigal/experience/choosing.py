"""Which of two answers is better, asked in both orders."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from madrigal.tasks.record import Turn

WORDS = ("A", "B")
TIE = "tie"
_FIRST, _SECOND, _END = "[Answer A]", "[Answer B]", "[End of the answers]"
_ASKS = "Say A or B and nothing else."
_BEGINS = re.compile(r"\W*(?:[Aa]nswer\W+)?((?:[Aa] )?[Tt]ie|A|B)(?=\W*$|[.,:;)\]!\n]| is\b)")
_SAID = re.compile(r"\b(A|B|tie)\b")


def choice_turns(prompt: tuple[Turn, ...], first: str, second: str, rule: str) -> tuple[Turn, ...]:
    """The question which of two answers to a conversation is better by a rule."""
    names = {"user": "User", "assistant": "Assistant", "system": "System"}
    talk = "\n\n".join(f"{names[turn.role]}: {turn.text}" for turn in prompt)
    text = (
        f"[Conversation]\n{talk}\n\n{_FIRST}\n{first}\n\n{_SECOND}\n{second}\n\n{_END}\n"
        f"{rule} {_ASKS}"
    )
    return (Turn("user", text),)


def two_answers(text: str) -> tuple[str, str]:
    """The two answers of a question that `choice_turns` made."""
    before, _, rest = text.rpartition(f"\n\n{_SECOND}\n")
    return before.rpartition(f"{_FIRST}\n")[2], rest.rpartition(f"\n\n{_END}\n")[0]


def chance_of_first(text: str, words: Mapping[str, float] | None) -> float | None:
    """How sure the judge is of the answer that stands first: from the log-probabilities of A and B
    where they are known, else 1, 0 or a half by what it says. None where it says neither."""
    if words is not None:
        return 1 / (1 + math.exp(min(700.0, words[WORDS[1]] - words[WORDS[0]])))
    begins = _BEGINS.match(text)
    found = {begins.group(1).upper()} if begins else set(_SAID.findall(text))
    if len(found) != 1:
        return None
    return {"A": 1.0, "B": 0.0}.get(found.pop(), 0.5)


@dataclass(frozen=True, slots=True)
class Both:
    """Chances that the first of two answers is better, as found when it was shown first and when it
    was shown second. None where the judge said neither."""

    shown_first: float | None
    shown_second: float | None

    @property
    def consistent(self) -> bool:
        """Whether both orders prefer the same answer, or neither does."""
        one, other = self.shown_first, self.shown_second
        if one is None or other is None:
            return False
        return _side(one) == _side(other)

    @property
    def chance(self) -> float:
        """The mean of both orders; a half where they contradict each other."""
        if self.shown_first is None or self.shown_second is None or not self.consistent:
            return 0.5
        return (self.shown_first + self.shown_second) / 2

    @property
    def first_preferred(self) -> bool:
        """In both orders."""
        return self.consistent and self.chance > 0.5


def _side(chance: float) -> int:
    return (chance > 0.5) - (chance < 0.5)
