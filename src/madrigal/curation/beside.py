"""Two texts side by side: what they have in common, or what tells them apart, marked."""

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher

MOST = 700  # characters of a text that is shown
_WORD = re.compile(r"\w+|\s+|[^\w\s]+")
_COMPARED = 2000  # words; comparing takes time with their square
_RUN = 4  # words in a row that say something
_CONTEXT = 90  # characters kept on each side of a mark

Piece = tuple[str, bool]  # some text, and whether it is marked


def common(one: str, other: str) -> tuple[list[Piece], list[Piece]]:
    """Both texts, with runs of four words and more that they share marked, without case."""
    return _compared(one, other, shared=True)


def apart(one: str, other: str) -> tuple[list[Piece], list[Piece]]:
    """Both texts, with what the other has not marked."""
    return _compared(one, other, shared=False)


def plain(text: str) -> list[Piece]:
    """A text in which nothing is marked."""
    return fitted([(text, False)])


def fitted(pieces: Sequence[Piece], most: int = MOST) -> list[Piece]:
    """The pieces with the middle of what is not marked left out, and no more text than that."""
    found: list[Piece] = []
    last = len(pieces) - 1
    marks = any(marked for _, marked in pieces)
    left = most
    for place, (text, marked) in enumerate(pieces):
        if marks and not marked:
            text = _shortened(text, place > 0, place < last)
        if len(text) > left:
            found.append((f"{text[:left]} …", marked))
            break
        found.append((text, marked))
        left -= len(text)
    return found


def _shortened(text: str, after: bool, before: bool) -> str:
    """What stands near a mark: after one, before one, or between two."""
    sides = after + before
    if len(text) <= _CONTEXT * sides + 20:
        return text
    start = text[:_CONTEXT] if after else ""
    end = text[-_CONTEXT:] if before else ""
    return f"{start} … {end}"


def _compared(one: str, other: str, shared: bool) -> tuple[list[Piece], list[Piece]]:
    mine, others = _words(one), _words(other)
    matcher = SequenceMatcher(
        None, [word.lower() for word in mine], [word.lower() for word in others], autojunk=False
    )
    blocks = [(block.a, block.b, block.size) for block in matcher.get_matching_blocks()]
    if shared:
        blocks = [_trimmed(mine, *block) for block in blocks]
        blocks = [(a, b, n) for a, b, n in blocks if _said(mine[a : a + n]) >= _RUN]
    return (
        fitted(_pieces(mine, [(a, a + n) for a, _, n in blocks], shared)),
        fitted(_pieces(others, [(b, b + n) for _, b, n in blocks], shared)),
    )


def _trimmed(words: Sequence[str], a: int, b: int, size: int) -> tuple[int, int, int]:
    """A match from its first word to its last: signs and spaces around it say nothing."""
    inside = [k for k in range(size) if words[a + k][:1].isalnum()]
    if not inside:
        return a, b, 0
    return a + inside[0], b + inside[0], inside[-1] + 1 - inside[0]


def _words(text: str) -> list[str]:
    return _WORD.findall(text)[:_COMPARED]


def _said(words: Iterable[str]) -> int:
    return sum(word[:1].isalnum() for word in words)


def _pieces(words: Sequence[str], spans: Iterable[tuple[int, int]], marked: bool) -> list[Piece]:
    """The words joined, those inside the spans marked or, where not `marked`, those outside."""
    found: list[Piece] = []
    for text, inside in _stretches(words, spans):
        if text and text.isspace() and found:
            # White space between two marks says nothing by itself.
            found[-1] = (found[-1][0] + text, found[-1][1])
        elif text:
            found.append((text, inside == marked))
    return found


def _stretches(words: Sequence[str], spans: Iterable[tuple[int, int]]) -> Iterator[Piece]:
    at = 0
    for start, end in spans:
        yield "".join(words[at:start]), False
        yield "".join(words[start:end]), True
        at = end
    yield "".join(words[at:]), False
