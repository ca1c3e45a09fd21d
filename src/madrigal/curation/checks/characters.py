"""Characters that no author wrote: text decoded wrongly, and control characters.

Mojibake is text in one encoding that was read in another: `cafÃ©` for `café`. ftfy tells it by
sequences of characters that nobody types (`ftfy.badness`); only what it can also undo is reported,
since there are texts about such sequences. The mark U+FFFD stands where bytes are lost for good.
"""

import re
from collections.abc import Iterator

from madrigal.curation.finding import Seen, around
from madrigal.curation.sample import Sample

LOST = "\ufffd"
# What markup and program source leave behind in text that is neither.
_LEFT_OVER = re.compile(
    r"&(?:amp|lt|gt|quot|apos|nbsp|#\d{2,5}|#x[0-9a-fA-F]{2,5});|\\u[0-9a-f]{4}"
)
# Everything that Unicode calls control but tab, newline and carriage return; marks that turn the
# direction of text round; characters of no width, but joiners, which scripts and emoji need.
CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\u2060\ufeff\ufff9-\ufffb]"
)


def look_at_characters(sample: Sample) -> Iterator[Seen]:
    """`encoding` and `control_characters`."""
    for text in (sample.text, sample.content, *sample.answers):
        if not text:
            continue
        if not text.isascii():
            yield from _mojibake(text)
        if ("&" in text or "\\u" in text) and (match := _LEFT_OVER.search(text)):
            yield Seen("encoding", "warning", f"left over: {around(text, *match.span())}")
        if not text.isprintable() and (match := CONTROL.search(text)):
            code = f"U+{ord(match[0]):04X}"
            yield Seen("control_characters", "warning", f"{code} in: {around(text, *match.span())}")


def _mojibake(text: str) -> Iterator[Seen]:
    place = text.find(LOST)
    if place >= 0:
        yield Seen("encoding", "error", f"bytes lost: {around(text, place, place + 1)}")
        return
    repaired = repaired_encoding(text)
    if repaired != text:
        start = next(
            i for i, (a, b) in enumerate(zip(text, repaired + LOST, strict=False)) if a != b
        )
        before = around(text, start, start + 1, 20)
        yield Seen("encoding", "error", f"{before} → {around(repaired, start, start + 1, 20)}")


def repaired_encoding(text: str) -> str:
    """The text as it was before it was decoded wrongly; itself where it was not."""
    from ftfy import fix_encoding
    from ftfy.badness import is_bad

    return fix_encoding(text) if is_bad(text) else text
