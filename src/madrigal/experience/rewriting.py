"""Texts in other words, by a generator: paraphrased, or translated and translated back.

Whether the sense stayed is not known: rules leave out what surely is no other wording of a text.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from madrigal.experience.generator import Asked, Said, Sampling
from madrigal.experience.refusal import refuses
from madrigal.tasks.record import Turn

PARAPHRASE = (
    "Say the following in other words. Keep its sense, its tone, and everything that it names. "
    "Answer with the new wording alone.\n\n{text}"
)
TRANSLATE = "Translate the following into {language}. Answer with the translation alone.\n\n{text}"

KEPT = "kept"
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_QUOTES = (('"', '"'), ("“", "”"), ("'", "'"), ("`", "`"))

Ask = Callable[[Sequence[Asked]], list[Said]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a new text must keep: its length in words, as a share of the old one, and numbers."""

    shortest: float = 0.5
    longest: float = 2.0
    numbers: bool = True


@dataclass(frozen=True, slots=True)
class Written:
    """What was said in the end, and whether every answer on the way ended by itself."""

    text: str
    ended: bool


def rewritten(
    texts: Sequence[str],
    ways: Sequence[Sequence[str]],
    ask: Ask,
    sampling: Sampling,
    seed: int,
) -> list[Written]:
    """Each text by its way: requests with `{text}` in them, each about what the one before said.

    A text that comes out empty is asked about no further.
    """
    said = [Written(text, True) for text in texts]
    for step in range(max(map(len, ways), default=0)):
        places = [k for k, way in enumerate(ways) if step < len(way) and said[k].text]
        asked = [
            Asked(
                (Turn("user", ways[k][step].replace("{text}", said[k].text)),),
                sampling,
                seed,
                purpose="rewrite",
            )
            for k in places
        ]
        for k, answer in zip(places, ask(asked), strict=True):
            said[k] = Written(_bare(answer.text, texts[k]), said[k].ended and answer.ended)
    return said


def fate(
    before: str, after: Written, bounds: Bounds, labels: Collection[str], known: Collection[str]
) -> str:
    """`kept`, or why a text is left out. `known` are texts as `same` writes them."""
    one, other = (_WORD.findall(text.lower()) for text in (before, after.text))
    share = len(other) / max(1, len(one))
    if not other:
        return "empty"
    if not after.ended:
        return "cut off"
    if refuses(after.text) and not refuses(before):
        return "a refusal"
    if one == other:
        return "the same words"
    if not bounds.shortest <= share <= bounds.longest:
        return "too short" if share < bounds.shortest else "too long"
    if bounds.numbers and Counter(_numbers(before)) != Counter(_numbers(after.text)):
        return "other numbers"
    if _named(after.text, labels) - _named(before, labels):
        return "names a label"
    if same(after.text) in known:
        return "there already"
    return KEPT


def same(text: str) -> str:
    """Texts that differ in case and marks alone are the same."""
    return " ".join(_WORD.findall(text.lower()))


def _numbers(text: str) -> list[str]:
    return [one.replace(",", "") for one in _NUMBER.findall(text)]


def _named(text: str, labels: Collection[str]) -> set[str]:
    """Labels that stand in the text, word for word."""
    said = f" {same(text)} "
    return {label for label in labels if (word := same(label)) and f" {word} " in said}


def _bare(text: str, before: str) -> str:
    """Without marks of quotation around all of it that the text itself had not."""
    text = text.strip()
    for first, last in _QUOTES:
        around = len(text) > 1 and text[0] == first and text[-1] == last
        if around and not before.strip().startswith(first):
            return text[1:-1].strip()
    return text
