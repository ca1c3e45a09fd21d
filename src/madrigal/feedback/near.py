"""Texts that say nearly the same: Jaccard similarity of shingles, found by MinHash."""

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from jaxtyping import UInt64

SIMILAR = 0.8
_SHINGLE = 5  # characters
_BANDS, _ROWS = 16, 4
_RANDOM = np.random.Generator(np.random.Philox(key=1))
_LETTERS, _FACTORS, _SHIFTS = (
    _RANDOM.integers(1 << 63, size=size, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    for size in (_SHINGLE, _BANDS * _ROWS, _BANDS * _ROWS)
)


def normalised(text: str) -> str:
    """Lower case, Unicode form NFKC, single spaces."""
    plain = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return " ".join(plain.split())


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
    signatures = {i: _signature(text) for text, i in seen.items()}
    least = threshold - 4 * np.sqrt(threshold * (1 - threshold) / (_BANDS * _ROWS))
    buckets: list[dict[bytes, list[int]]] = [defaultdict(list) for _ in range(_BANDS)]
    for text, i in seen.items():
        met: dict[int, None] = {}
        for bucket, band in zip(buckets, signatures[i].reshape(_BANDS, _ROWS), strict=True):
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


def similarity(one: str, other: str) -> float:
    """Jaccard similarity of the shingles of two normalised texts."""
    a, b = _shingles(one), _shingles(other)
    common = len(np.intersect1d(a, b, assume_unique=True))
    return common / (len(a) + len(b) - common)


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


@lru_cache(maxsize=1 << 12)
def _shingles(text: str) -> UInt64[np.ndarray, " S"]:
    """A 64-bit hash of each run of five characters, once; a shorter text is one run."""
    padded = text.ljust(_SHINGLE, "\0").encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(padded, dtype="<u4").astype(np.uint64)
    runs = len(codes) - _SHINGLE + 1
    hashed = np.zeros(runs, dtype=np.uint64)
    for place, factor in enumerate(_LETTERS):
        hashed += codes[place : place + runs] * factor
    hashed ^= hashed >> np.uint64(33)
    hashed *= _FACTORS[0]
    return np.unique(hashed ^ (hashed >> np.uint64(29)))


def _signature(text: str) -> UInt64[np.ndarray, " K"]:
    hashed = _shingles(text)[None] * _FACTORS[:, None] + _SHIFTS[:, None]
    return hashed.min(axis=1)
