"""Boilerplate: many answers that begin with the same words."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from madrigal.evaluation.intervals import wilson

_WORD = re.compile(r"\w+(?:['’]\w+)*")
OPENING = 4  # words
MUCH = 0.2  # of answers that differ: a share from which a reader would notice


@dataclass(frozen=True, slots=True)
class Opening:
    """The most common first words, and the share of answers that have them, with its interval."""

    words: str
    share: float
    low: float
    high: float
    n: int

    @property
    def boilerplate(self) -> bool:
        """Whether the interval lies above what is tolerable."""
        return self.low > MUCH


def top_opening(texts: Sequence[str], words: int = OPENING) -> Opening | None:
    """The most common beginning of so many words, case aside; None where no text is that long."""
    found = [_WORD.findall(text.lower())[:words] for text in texts]
    counts = Counter(" ".join(one) for one in found if len(one) == words)
    if not counts:
        return None
    best, hits = min(counts.items(), key=lambda one: (-one[1], one[0]))
    return Opening(best, hits / len(texts), *wilson(hits, len(texts)), len(texts))
