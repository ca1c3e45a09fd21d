"""Small edits of single words that leave the meaning to a reader (after EDA; Wei and Zou, 2019).

Each word that may be edited is, with a chance of `rate`, written with a slip to a neighbouring key,
left out, begun with the other case, or followed by a comma or freed from its mark; at least one is.
Differs from the paper: no synonyms, since a list of them changes meanings too, and no word changes
its place.
"""

import re
from collections.abc import Collection

import numpy as np

_WORD = re.compile(r"[^\W\d_]+")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_SHORTEST = 4  # letters of a word that is edited
# Without them a sentence may say the opposite.
KEPT = frozenset((
    "not", "never", "none", "nothing", "nobody", "neither", "without", "hardly", "barely", "cannot",
    "except", "unless", "rather", "only", "less", "more", "least", "most", "very",
))  # fmt: skip


def edited(text: str, rate: float, protected: Collection[str], chance: np.random.Generator) -> str:
    """The text with some words edited; as it is where no word may be."""
    words = [
        match for match in _WORD.finditer(text)
        if len(match[0]) >= _SHORTEST and match[0].lower() not in KEPT
        and match[0].lower() not in protected
    ]  # fmt: skip
    if not words:
        return text
    chosen = chance.random(len(words)) < rate
    chosen[chance.integers(len(words))] = True
    kinds = chance.integers(4, size=len(words))
    for number in np.flatnonzero(chosen)[::-1]:
        match = words[number]
        text = _KINDS[kinds[number]](text, match.start(), match.end(), chance)
    return text


def _slip(text: str, start: int, end: int, chance: np.random.Generator) -> str:
    """A letter after the first becomes one beside it on the keyboard."""
    at = start + 1 + int(chance.integers(end - start - 1))
    row = next((row for row in _ROWS if text[at].lower() in row), "")
    if not row:
        return text
    place = row.index(text[at].lower())
    beside = [row[k] for k in (place - 1, place + 1) if 0 <= k < len(row)]
    letter = beside[int(chance.integers(len(beside)))]
    return text[:at] + (letter.upper() if text[at].isupper() else letter) + text[at + 1 :]


def _drop(text: str, start: int, end: int, _: np.random.Generator) -> str:
    """With the space after it."""
    return text[:start] + text[end:].removeprefix(" ")


def _case(text: str, start: int, end: int, _: np.random.Generator) -> str:
    return text[:start] + text[start].swapcase() + text[start + 1 : end] + text[end:]


def _mark(text: str, start: int, end: int, _: np.random.Generator) -> str:
    del start
    if text[end : end + 1] in tuple(",;."):
        return text[:end] + text[end + 1 :]
    return f"{text[:end]},{text[end:]}"


_KINDS = (_slip, _drop, _case, _mark)
