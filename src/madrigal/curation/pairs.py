"""Pairs of similar texts among many: found by MinHash, verified shingle by shingle."""

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float, Int, UInt32

from madrigal.curation.marks import COMPARED
from madrigal.curation.shingles import similarity
from madrigal.curation.table import Table

# Where more texts meet, those are compared that meet in another band, too.
_ALL = 100
_NEXT = 16  # and where as many meet there again, each with so many that follow it
_TOGETHER = 1 << 25  # characters of texts that are compared at a time
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
    alike = (content[one] == content[other]).astype(np.float64)
    unlike = np.flatnonzero(alike == 0)
    size = np.minimum(table.column("prompt_length").astype(np.int64), COMPARED)
    parts = np.cumsum(size[one[unlike]] + size[other[unlike]]) // _TOGETHER
    for part in np.split(unlike, np.flatnonzero(np.diff(parts)) + 1):
        own = table.own(np.union1d(one[part], other[part]))
        alike[part] = [similarity(own[int(a)], own[int(b)])
                       for a, b in zip(one[part], other[part], strict=True)]  # fmt: skip
    kept = alike >= least
    return one[kept], other[kept], alike[kept]


def candidates(
    bands: UInt32[np.ndarray, "N B"],
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


def _met(bands: UInt32[np.ndarray, "N B"], number: int) -> Iterator[Int[np.ndarray, " P"]]:
    """Pairs of places that agree in a band, as 2^32 a + b."""
    crowds: list[np.ndarray] = []
    yield from _paired(np.arange(len(bands), dtype=np.int64), bands[:, number], crowds.append)
    for members in crowds:
        for again in range(bands.shape[1]):
            if again != number:
                yield from _paired(members, bands[members, again], None)


def _paired(
    members: Int[np.ndarray, " M"], values: np.ndarray, crowd: Callable[[np.ndarray], None] | None
) -> Iterator[Int[np.ndarray, " P"]]:
    """Each member with those that follow it with the same value; members are in order.

    More than `_ALL` with one value go to `crowd`; without it each is paired with the next few.
    """
    order = np.argsort(values, kind="stable")
    starts, ends = several(values[order])
    reach = ends - starts
    if crowd is not None:
        for group in np.flatnonzero(reach > _ALL).tolist():
            crowd(members[order[starts[group] : ends[group]]])
    reach = np.where(reach <= _ALL, reach, _NEXT if crowd is None else 0)
    # Every member of such a value, and where its value ends, step by step further apart.
    size = (ends - starts)[reach > 0]
    place = np.repeat(starts[reach > 0] - np.cumsum(size) + size, size) + np.arange(size.sum())
    last = np.repeat(ends[reach > 0], size)
    far = np.repeat(reach[reach > 0], size)
    step = 1
    while len(place):
        goes_on = (place + step < last) & (step <= far)
        place, last, far = place[goes_on], last[goes_on], far[goes_on]
        if len(place):
            yield (members[order[place]] << 32) | members[order[place + step]]
        step += 1


def several(ordered: np.ndarray) -> tuple[Int[np.ndarray, " G"], Int[np.ndarray, " G"]]:
    """Starts and ends of the stretches of equal values that are longer than one."""
    borders = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    starts, ends = np.concatenate([[0], borders]), np.concatenate([borders, [len(ordered)]])
    longer = ends - starts > 1
    return starts[longer], ends[longer]
