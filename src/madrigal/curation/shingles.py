"""Texts that say nearly the same: Jaccard similarity of shingles, and MinHash to find them."""

import unicodedata
from functools import lru_cache

import numpy as np
from jaxtyping import UInt64

SHINGLE = 5  # characters
BANDS, ROWS = 16, 4
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
    padded = text.ljust(SHINGLE, "\0").encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(padded, dtype="<u4").astype(np.uint64)
    runs = len(codes) - SHINGLE + 1
    hashed = np.zeros(runs, dtype=np.uint64)
    for place, factor in enumerate(_LETTERS):
        hashed += codes[place : place + runs] * factor
    hashed ^= hashed >> np.uint64(33)
    hashed *= _FACTORS[0]
    return np.unique(hashed ^ (hashed >> np.uint64(29)))


def signature(text: str) -> UInt64[np.ndarray, " K"]:
    """The least of each of 64 hashes over a normalised text's shingles (Broder, 1997)."""
    hashed = shingles(text)[None] * _FACTORS[:, None] + _SHIFTS[:, None]
    return hashed.min(axis=1)


def bands(text: str) -> UInt64[np.ndarray, " B"]:
    """One number for each four values of the signature in a row.

    Two texts of similarity J agree in at least one of the 16 with chance 1 - (1 - J^4)^16: 0.9998
    at 0.8, 0.64 at 0.5 (Leskovec et al., Mining of Massive Datasets, chapter 3).
    """
    rows = signature(text).reshape(BANDS, ROWS)
    return (rows * _FACTORS[:ROWS]).sum(axis=1, dtype=np.uint64)
