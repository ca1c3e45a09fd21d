"""Texts that say nearly the same: Jaccard similarity of shingles, and MinHash to find them."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import UInt64

SHINGLE = 5  # characters
BANDS, ROWS = 16, 4
_TOGETHER = 1 << 15  # characters hashed at once: they and their hashes stay in the cache
_RANDOM = np.random.Generator(np.random.Philox(key=1))
_LETTERS, _FACTORS, _SHIFTS = (
    _RANDOM.integers(1 << 63, size=size, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    for size in (SHINGLE, BANDS * ROWS, BANDS * ROWS)
)


def normalised(text: str) -> str:
    """Lower case, Unicode form NFKC, single spaces."""
    plain = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return " ".join(plain.split())


def similarity(one: str, other: str) -> float:
    """Jaccard similarity |A & B| / |A | B| of the shingles of two normalised texts."""
    a, b = shingles(one), shingles(other)
    common = len(np.intersect1d(a, b, assume_unique=True))
    return common / (len(a) + len(b) - common)


@lru_cache(maxsize=1 << 10)
def shingles(text: str) -> UInt64[np.ndarray, " S"]:
    """A 64-bit hash of each run of five characters, once; a shorter text is one run."""
    return np.unique(_runs(text.ljust(SHINGLE, "\0")))


def _runs(text: str) -> UInt64[np.ndarray, " R"]:
    """A hash of every run of five characters, in their order."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    runs = len(codes) - SHINGLE + 1
    hashed = np.zeros(runs, dtype=np.uint64)
    for place, factor in enumerate(_LETTERS):
        hashed += codes[place : place + runs] * factor
    hashed ^= hashed >> np.uint64(33)
    hashed *= _FACTORS[0]
    return hashed ^ (hashed >> np.uint64(29))


def signature(text: str) -> UInt64[np.ndarray, " K"]:
    """The least of each of 64 hashes over a normalised text's shingles (Broder, 1997)."""
    hashed = shingles(text)[None] * _FACTORS[:, None] + _SHIFTS[:, None]
    return hashed.min(axis=1)


def bands(texts: Sequence[str]) -> UInt64[np.ndarray, "N B"]:
    """For each normalised text one number for each four values of its signature in a row.

    Two texts of similarity J agree in at least one of the 16 with chance 1 - (1 - J^4)^16: 0.9998
    at 0.8, 0.64 at 0.5 (Leskovec et al., Mining of Massive Datasets, chapter 3).
    """
    found = np.zeros((len(texts), BANDS), dtype=np.uint64)
    start = 0
    while start < len(texts):
        end, size = start, 0
        while end < len(texts) and (end == start or size + len(texts[end]) <= _TOGETHER):
            size += max(len(texts[end]), SHINGLE)
            end += 1
        rows = _signatures(texts[start:end]).reshape(-1, BANDS, ROWS)
        found[start:end] = (rows * _FACTORS[:ROWS]).sum(axis=2, dtype=np.uint64)
        start = end
    return found


def _signatures(texts: Sequence[str]) -> UInt64[np.ndarray, "N K"]:
    """`signature` of each of several texts, in one pass for each of the 64 hashes."""
    padded = [text.ljust(SHINGLE, "\0") for text in texts]
    sizes = np.array([len(text) for text in padded])
    starts = np.cumsum(sizes) - sizes
    hashed = _runs("".join(padded))
    # Runs from the end of one text into the next are no shingles of either.
    inside = np.ones(len(hashed), dtype=bool)
    for step in range(1, SHINGLE):
        inside[starts[1:] - step] = False
    hashed = hashed[inside]
    runs = sizes - SHINGLE + 1
    borders = np.cumsum(runs) - runs
    found = np.empty((len(texts), BANDS * ROWS), dtype=np.uint64)
    for place, (factor, shift) in enumerate(zip(_FACTORS, _SHIFTS, strict=True)):
        found[:, place] = np.minimum.reduceat(hashed * factor + shift, borders)
    return found
