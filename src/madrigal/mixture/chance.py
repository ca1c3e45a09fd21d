"""Chance as a function of names, not of what was drawn before."""

import hashlib
import json

import numpy as np
from jaxtyping import Int, UInt64


def bits(count: int, *key: str | int) -> UInt64[np.ndarray, " count"]:
    """`count` random 64-bit numbers that belong to `key`, the same on every machine and release.

    The raw output of a counter-based generator (Philox): numpy keeps the streams of its bit
    generators fixed, but not those of the distributions made from them.
    """
    digest = hashlib.blake2b(json.dumps(key).encode(), digest_size=16).digest()
    return np.random.Philox(key=int.from_bytes(digest, "little")).random_raw(count)


def permutation(count: int, *key: str | int) -> Int[np.ndarray, " count"]:
    """The numbers below `count` in a random order that belongs to `key`."""
    return np.argsort(bits(count, *key), kind="stable")
