"""Words of the filter's lists: names that people are called, swearing, threats.

A rate, not a verdict: a set about offence is full of them. The lists are those of the filter
`plain` (`audit/lists`), read as whole words in plain spelling.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from madrigal.audit.read import list_of
from madrigal.curation.finding import Seen, around
from madrigal.curation.sample import Sample

_LISTS = ("insults", "profanity", "violence", "self-harm")
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


def look_for_offence(sample: Sample) -> Iterator[Seen]:
    """`offensive`, with the first word or phrase that is found."""
    for text in (sample.text, sample.content, *sample.answers):
        span = offence(text) if text else None
        if span is not None:
            yield Seen("offensive", "note", around(text, *span))
            return


def offence(text: str) -> tuple[int, int] | None:
    """Where the first word or phrase of a list stands."""
    words, prefixes, expression = _known()
    lowered = text.lower()
    said = set(_WORD.findall(lowered))
    if said.isdisjoint(words) and prefixes.isdisjoint({one[:3] for one in said}):
        return None
    match = expression.search(lowered)
    return match.span() if match else None


@cache
def _known() -> tuple[frozenset[str], frozenset[str], re.Pattern[str]]:
    """First words of all entries; first letters of those with any ending; an expression for all."""
    entries = [word.lower() for name in _LISTS for word in list_of(name, Path(__file__).parent)]
    first = [entry.split()[0] for entry in entries]
    parts = sorted(entries, key=lambda entry: (-len(entry), entry))
    written = "|".join(
        re.escape(entry.removesuffix("*")).replace(r"\ ", r"\s+")
        + (r"\w*" if entry.endswith("*") else r"\b")
        for entry in parts
    )
    return (
        frozenset(one for one in first if not one.endswith("*")),
        frozenset(one[:3] for one in first if one.endswith("*")),
        re.compile(rf"\b(?:{written})"),
    )
