"""Several streams as one, each always on its share."""

import heapq
import math
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float, Int, UInt64


def interleave(
    shares: Float[np.ndarray, " K"],
    caps: Float[np.ndarray, " K"],
    total: int,
    ties: Callable[[int, int], UInt64[np.ndarray, " m"]],
) -> Int[np.ndarray, " N"]:
    """The stream at each of `total` places, or fewer when every stream has reached its cap.

    After n places stream k has stood at n * share_k places, give or take less than one. For that
    its jth turn (from 0) has to fall into the places [floor(j / share), ceil((j + 1) / share)), and
    giving each place to the ready turn whose window ends first meets all windows (Tijdeman, 1980;
    Baruah et al., 1996, for one processor). Windows that end together are ordered by
    `ties(k, turns)`, so that equal streams do not always stand next to the same neighbour. With
    equal shares and caps the result for a smaller total is a prefix of that for a larger one.
    """
    turns = [
        int(min(cap, math.ceil(total * share + 1e-6)))
        for share, cap in zip(shares, caps, strict=True)
    ]
    windows = [_windows(float(share), count) for share, count in zip(shares, turns, strict=True)]
    order = [ties(k, count).tolist() for k, count in enumerate(turns)]
    pending = [(0, k, 0) for k, count in enumerate(turns) if count]
    ready: list[tuple[int, int, int, int]] = []
    places: list[int] = []
    while len(places) < total and (pending or ready):
        # Only rounding and caps leave a place without a ready turn; then the next one is early.
        while pending and (pending[0][0] <= len(places) or not ready):
            _, k, turn = heapq.heappop(pending)
            heapq.heappush(ready, (windows[k][1][turn], order[k][turn], k, turn))
        _, _, k, turn = heapq.heappop(ready)
        places.append(k)
        if turn + 1 < turns[k]:
            heapq.heappush(pending, (windows[k][0][turn + 1], k, turn + 1))
    return np.array(places, dtype=np.int64)


def endless(
    shares: Float[np.ndarray, " K"],
    expected: int,
    ties: Callable[[int, int], UInt64[np.ndarray, " m"]],
) -> Iterator[int]:
    """`interleave` without caps and without an end, first made for `expected` places."""
    told, total = 0, max(1, expected)
    while True:
        places = interleave(shares, np.full(len(shares), math.inf), total, ties)
        yield from places[told:].tolist()  # a longer one begins like a shorter one
        told, total = total, 2 * total


def _windows(share: float, turns: int) -> tuple[list[int], list[int]]:
    if not turns:
        return [], []
    edges = np.arange(turns + 1) / share
    slack = 1e-9 + 1e-12 * edges  # the division's rounding must not move an edge by a place
    opens = np.floor(edges[:-1] + slack[:-1]).astype(int)
    closes = np.ceil(edges[1:] - slack[1:]).astype(int)
    return opens.tolist(), closes.tolist()
