"""Texts that say nearly the same: Jaccard similarity of shingles, found by MinHash."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from madrigal.curation.shingles import BANDS, ROWS, normalised, signature, similarity

SIMILAR = 0.8


def groups(texts: Sequence[str], threshold: float = SIMILAR) -> list[int]:
    """A number for each text: equal for texts that a chain of similar texts connects.

    Two texts are similar when the sets A and B of their 5-character shingles, after `normalised`,
    have a Jaccard similarity |A & B| / |A | B| of at least the threshold; texts of fewer characters
    when they are equal. The smallest index of a group is its number.

    Texts are compared when 4 MinHash values in a row of any of 16 rows agree (Broder, 1997;
    banding: Leskovec et al., Mining of Massive Datasets, chapter 3). Two texts of similarity J meet
    with chance 1 - (1 - J^4)^16: 0.9998 at 0.8. Those whose values agree far less often than the
    threshold, by four standard deviations, are not compared shingle by shingle.
    """
    seen: dict[str, int] = {}
    first = [seen.setdefault(normalised(text), i) for i, text in enumerate(texts)]
    sets = _Sets({i: text for text, i in seen.items()})
    signatures = {i: signature(text) for text, i in seen.items()}
    least = threshold - 4 * np.sqrt(threshold * (1 - threshold) / (BANDS * ROWS))
    buckets: list[dict[bytes, list[int]]] = [defaultdict(list) for _ in range(BANDS)]
    for text, i in seen.items():
        met: dict[int, None] = {}
        for bucket, band in zip(buckets, signatures[i].reshape(BANDS, ROWS), strict=True):
            mates = bucket[band.tobytes()]
            met.update(dict.fromkeys(mates))
            mates.append(i)
        for j in met:
            if (
                sets.root(i) != sets.root(j)
                and (signatures[i] == signatures[j]).mean() >= least
                and similarity(text, sets.texts[j]) >= threshold
            ):
                sets.join(i, j)
    return [sets.root(i) for i in first]


@dataclass(frozen=True, slots=True)
class _Sets:
    texts: dict[int, str]
    parents: dict[int, int] = field(default_factory=dict)

    def root(self, i: int) -> int:
        while (parent := self.parents.get(i, i)) != i:
            self.parents[i] = self.parents.get(parent, parent)
            i = parent
        return i

    def join(self, i: int, j: int) -> None:
        least, most = sorted((self.root(i), self.root(j)))
        self.parents[most] = least
