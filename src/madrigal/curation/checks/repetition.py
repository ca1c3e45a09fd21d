"""Texts that say the same again and again.

The measures are those that Rae et al. (2021, Gopher, table A1) filter web documents with, of which
only these suit short answers too: the share of lines that stand there before, and the share of
characters in the n words said most often, n of 2 to 4. Below are the same limits.

Differs from the paper: in texts of fewer than 50 words a share says little, so those are looked at
for runs alone: four times the same one to six words in a row.
"""

from collections import Counter
from collections.abc import Iterator

from madrigal.curation.finding import Seen, short
from madrigal.curation.sample import Sample

_LEAST_WORDS = 50
_LEAST_LINES = 4
_DUPLICATE_LINES = 0.30
_TOP = {2: 0.20, 3: 0.18, 4: 0.16}
_RUN, _LONGEST_RUN = 4, 6
_MOST_WORDS = 20_000  # of a longer text the beginning is looked at


def look_for_repetition(sample: Sample) -> Iterator[Seen]:
    """`repetition`, in answers that are written and in raw text."""
    for text in (sample.text, *(sample.answers if sample.free else ())):
        said = repeated(text) if text else ""
        if said:
            yield Seen("repetition", "warning", f"{said}: {short(text)}")


def repeated(text: str) -> str:
    """What is repeated; empty if nothing is too much."""
    words = text.lower().split(maxsplit=_MOST_WORDS)[:_MOST_WORDS]
    run = _run(words)
    if run:
        return run
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    again = len(lines) - len(set(lines))
    if len(lines) >= _LEAST_LINES and again / len(lines) > _DUPLICATE_LINES:
        return f"{again} of {len(lines)} lines stand there before"
    if len(words) < _LEAST_WORDS:
        return ""
    characters = sum(map(len, words))
    for n, limit in _TOP.items():
        counts = Counter(zip(*(words[i:] for i in range(n)), strict=False))
        top, count = counts.most_common(1)[0]
        share = count * sum(map(len, top)) / characters
        # Twice is no repetition, however short the text is.
        if count > 2 and share > limit:
            return f"{short(' '.join(top), 40)!r} {count} times, {share:.0%} of the text"
    return ""


def _run(words: list[str]) -> str:
    """One to six words said four times in a row or more."""
    for n in range(1, _LONGEST_RUN + 1):
        same = 0
        for i in range(n, len(words)):
            same = same + 1 if words[i] == words[i - n] else 0
            if same >= (_RUN - 1) * n and any(one.isalnum() for one in "".join(words[i - n : i])):
                said = " ".join(words[i - n + 1 : i + 1])
                return f"{short(said, 40)!r} {_RUN} times in a row"
    return ""
