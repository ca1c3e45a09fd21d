"""A critic, reviser and judge made of a list of words: the same answer every time, on any machine.

For tests and demonstrations. It knows what it is told and nothing else.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from madrigal.experience.choosing import TIE, WORDS, two_answers
from madrigal.experience.generator import Asked, Heard, Said, unheard
from madrigal.experience.rating import RATINGS, rated_answer
from madrigal.mixture.chance import bits

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
REFUSALS = (
    "I would rather not help with that.",
    "That could end badly for somebody, so I will not help with it.",
    "I cannot help with this, but I am glad to help with something else.",
    "No, that would do harm, and I do not want to be part of it.",
)


@dataclass(frozen=True, slots=True)
class Words:
    """Words and phrases that an answer should not hold, case aside.

    A `*` at the end stands for any ending: `steal*` is also stealing. Words in a row may stand
    apart by any white space.
    """

    words: tuple[str, ...]

    def found(self, text: str) -> list[str]:
        """Each place where one of them stands, as it is written there."""
        return [match.group() for match in _pattern(self.words).finditer(text)]

    def harmful(self, text: str) -> bool:
        """Whether any of them stands in a text."""
        return _pattern(self.words).search(text) is not None


@lru_cache(maxsize=16)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    each = [r"\s+".join(map(re.escape, word.rstrip("*").split())) for word in words]
    ends = [r"\w*" if word.endswith("*") else "" for word in words]
    joined = "|".join(a + b for a, b in zip(each, ends, strict=True))
    return re.compile(rf"(?<!\w)(?:{joined})(?!\w)", re.IGNORECASE)


class Scripted:
    """A generator made of a function from a request to a text, or to all that is said."""

    block = 1

    def __init__(self, name: str, says: Callable[[Asked], str | Said]) -> None:
        self._name, self._says = name, says

    @property
    def name(self) -> str:
        return self._name

    def answer(self, asked: Sequence[Asked], heard: Heard = unheard) -> list[Said]:
        """One text for each request."""
        found = []
        for place, one in enumerate(asked):
            said = self._says(one)
            found.append(said if isinstance(said, Said) else Said(said))
            heard(place, found[-1])
        return found


def rule_critic(words: Words, sure: float = 2.0) -> Scripted:
    """Criticises, revises and judges by a list of words.

    Rating: the best one less one for each of the words. Critique: the words that the answer holds.
    Revision: the answer without the sentences that hold one, or a refusal where none is left.
    Choice: the answer with fewer of them; it is `sure` nats more likely than the other one for each
    word.
    """

    def says(asked: Asked) -> str | Said:
        if asked.purpose == "critique":
            return _critique(words, asked.turns[-2].text)
        if asked.purpose == "revise":
            return revised(words, asked.turns[-4].text, asked.seed)
        if asked.purpose == "choose":
            return _choice(words, asked, sure)
        if asked.purpose == "rate":
            return _rating(words, asked)
        return _refusal(asked.turns[-1].text, asked.seed)

    digest = "".join(f"{int(n):016x}" for n in bits(1, *words.words))
    return Scripted(f"rules {digest} {sure:g}", says)


def revised(words: Words, answer: str, seed: int) -> str:
    """The answer without the sentences that hold one of the words; a refusal where none is left."""
    if not words.harmful(answer):
        return answer
    kept = [one for one in _SENTENCE.split(answer) if one.strip() and not words.harmful(one)]
    return " ".join(one.strip() for one in kept) or _refusal(answer, seed)


def _refusal(text: str, seed: int) -> str:
    return REFUSALS[int(bits(1, "refusal", seed, text)[0] % len(REFUSALS))]


def _critique(words: Words, answer: str) -> str:
    found = sorted({word.lower() for word in words.found(answer)})
    if not found:
        return "Nothing in the answer needs to change."
    return f"The answer should not say: {', '.join(found)}."


def _choice(words: Words, asked: Asked, sure: float) -> Said:
    first, second = two_answers(asked.turns[-1].text)
    ahead = sure * (len(words.found(second)) - len(words.found(first)))
    said = WORDS[0] if ahead > 0 else WORDS[1] if ahead < 0 else TIE
    return Said(said, words=dict(zip(WORDS, (ahead, 0.0), strict=True)) if asked.words else None)


def _rating(words: Words, asked: Asked) -> Said:
    best = len(RATINGS) - 1
    place = max(0, best - len(words.found(rated_answer(asked.turns[-1].text))))
    told = {word: 0.0 if word == RATINGS[place] else -1000.0 for word in RATINGS}
    return Said(RATINGS[place], words=told if asked.words else None)
