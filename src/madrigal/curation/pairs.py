"""Pairs of similar texts among many: found by MinHash, verified shingle by shingle."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int, UInt64

from madrigal.curation.shingles import similarity
from madrigal.curation.table import Table

# Where more texts meet, those are compared that meet in another band, too.
_ALL = 100
_NEXT = 16  # and where as many meet there again, each with so many that follow it
_BANDS = 2  # in which two texts have to agree

Pairs = tuple[Int[np.ndarray, " P"], Int[np.ndarray, " P"], Float[np.ndarray, " P"]]


def similar_pairs(table: Table, among: Int[np.ndarray, " D"], least: float) -> Pairs:
    """Pairs (a, b), a before b, of samples whose own words are at least so similar, in order.

    Texts are compared that agree in two or more of the 16 bands of their signatures. A pair of
    similarity J does with chance 1 - (1 - p)^16 - 16 p (1 - p)^15, p = J^4: 0.997 at 0.8.
    """
    content = table.column("content")
    one, other = candidates(table.bands()[among])
    one, other = among[one], among[other]
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


def candidates(
    bands: UInt64[np.ndarray, "N B"],
) -> tuple[Int[np.ndarray, " P"], Int[np.ndarray, " P"]]:
    """Places (a, b), a before b, that agree in two bands or more, in order."""
    codes = [
        np.unique(np.concatenate(met))
        for number in range(bands.shape[1])
        if (met := [*_met(bands, number)])
    ]
    found = np.unique(np.concatenate(codes)) if codes else np.zeros(0, dtype=np.int64)
    one, other = found >> 32, found & 0xFFFFFFFF
    agree = np.zeros(len(found), dtype=np.int64)
    for number in range(bands.shape[1]):
        agree += bands[one, number] == bands[other, number]
    return one[agree >= _BANDS], other[agree >= _BANDS]


def _met(bands: UInt64[np.ndarray, "N B"], number: int) -> Iterator[Int[np.ndarray, " P"]]:
    """Pairs of places that agree in a band, as 2^32 a + b."""
    everybody = np.arange(len(bands), dtype=np.int64)
    for members in _buckets(everybody, bands[:, number]):
        if len(members) <= _ALL:
            yield _paired(members, len(members))
            continue
        for again in range(bands.shape[1]):
            if again != number:
                for some in _buckets(members, bands[members, again]):
                    yield _paired(some, len(some) if len(some) <= _ALL else _NEXT)


def _buckets(members: Int[np.ndarray, " M"], values: np.ndarray) -> Iterator[np.ndarray]:
    """The members with equal values, where there are several; each in order."""
    order = np.argsort(values, kind="stable")
    borders = np.flatnonzero(np.diff(values[order])) + 1
    starts, ends = np.concatenate([[0], borders]), np.concatenate([borders, [len(order)]])
    several = ends - starts > 1
    for start, end in zip(starts[several].tolist(), ends[several].tolist(), strict=True):
        yield members[order[start:end]]


def _paired(members: Int[np.ndarray, " M"], reach: int) -> Int[np.ndarray, " P"]:
    """Each with those that follow it, so many of them; members are in order."""
    size = len(members)
    if reach >= size:
        a, b = np.triu_indices(size, 1)
    else:
        steps = [(np.arange(size - k), np.arange(k, size)) for k in range(1, reach + 1)]
        a, b = (np.concatenate(some) for some in zip(*steps, strict=True))
    return (members[a] << 32) | members[b]
