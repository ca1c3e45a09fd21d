"""Pairs of similar texts among many: found by MinHash, verified shingle by shingle."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from madrigal.curation.shingles import similarity
from madrigal.curation.table import Table

# In a bucket of more texts each meets the first ones and its next neighbours alone.
_ALL = 24
_FIRST, _NEXT = 4, 8

Pairs = tuple[Int[np.ndarray, " P"], Int[np.ndarray, " P"], Float[np.ndarray, " P"]]


def similar_pairs(table: Table, among: Int[np.ndarray, " D"], least: float) -> Pairs:
    """Pairs (a, b), a before b, of samples whose own words are at least so similar, in order.

    Texts meet that agree in one of the bands of their signatures. Where more than 24 meet, each is
    compared with the first four and the next eight of them; a pair that differs little meets in
    several bands, and in each beside other texts.
    """
    content = table.column("content")
    codes: list[np.ndarray] = []
    for number in range(table.bands):
        met = [*_met(table.band(number)[among])]
        if met:
            codes.append(np.unique(np.concatenate(met)))
    found = np.unique(np.concatenate(codes)) if codes else np.zeros(0, dtype=np.int64)
    one, other = among[found >> 32], among[found & 0xFFFFFFFF]
    # Equal contents need no comparison.
    alike = np.fromiter(
        (
            1.0 if content[a] == content[b] else similarity(table.text(a)[0], table.text(b)[0])
            for a, b in zip(one.tolist(), other.tolist(), strict=True)
        ),
        dtype=np.float64,
        count=len(one),
    )
    kept = alike >= least
    return one[kept], other[kept], alike[kept]


def _met(band: np.ndarray) -> Iterator[Int[np.ndarray, " P"]]:
    """Pairs of places that agree, as 2^32 a + b."""
    order = np.argsort(band, kind="stable")
    borders = np.flatnonzero(np.diff(band[order])) + 1
    starts, ends = np.concatenate([[0], borders]), np.concatenate([borders, [len(order)]])
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        size = end - start
        if size > 1:
            yield _paired(order[start:end].astype(np.int64))


def _paired(members: Int[np.ndarray, " M"]) -> Int[np.ndarray, " P"]:
    """Members are in order."""
    size = len(members)
    if size <= _ALL:
        a, b = np.triu_indices(size, 1)
    else:
        steps = [(np.arange(size - k), np.arange(k, size)) for k in range(1, _NEXT + 1)]
        steps += [(np.full(size - k - 1, k), np.arange(k + 1, size)) for k in range(_FIRST)]
        a, b = (np.concatenate(some) for some in zip(*steps, strict=True))
    return (members[a] << 32) | members[b]
