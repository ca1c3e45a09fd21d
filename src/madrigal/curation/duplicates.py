"""The same record again: within a task, in another task, and on both sides of a split.

Exact: prompt and answers are equal after `shingles.normalised`. Near: what the row brought of the
prompt has a Jaccard similarity of at least 0.8 over its 5-character shingles with that of a record
that stays, and so have the answers; MinHash finds the pairs, and each is verified. So a record is
never called a duplicate for what its template says, nor two questions alike whose answers differ.

Of several copies the one with the most filled fields stays, of these the first in the files.
Copies that were made on purpose and say so (`copy_of`, by which groups are made even) are no
duplicates of what they were made of; what is said of that is said of them.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Int, UInt64

from madrigal.curation.finding import Finding
from madrigal.curation.pairs import several, similar_pairs
from madrigal.curation.shingles import similarity
from madrigal.curation.table import Table

SIMILAR = 0.8
_TRAIN = 0  # place in SPLITS
_RAW, _CHOSEN = 0, 2  # kinds


def exact(table: Table) -> Iterator[Finding]:
    """`exact_duplicate`: the same prompt and answers in the same split of the same task."""
    prompt, answer = table.column("prompt"), table.column("answer")
    place = table.tasks() * 4 + table.column("side")
    mine = np.flatnonzero(~marked(table, copies_of(table)))
    key = mixed(prompt, answer, place.astype(np.uint64))[mine]
    for sample, kept in _copies(key, _rank(table)[mine]):
        yield table.finding(int(mine[sample]), "exact_duplicate", "warning", other=int(mine[kept]))


def shared(table: Table) -> Iterator[Finding]:
    """`shared_with_task`: training records of which another task trains on the same."""
    side, task = table.column("side"), table.tasks()
    key = mixed(table.column("prompt"), table.column("answer"))
    train = np.flatnonzero(side == _TRAIN)
    for group in groups(key[train]):
        members = train[group]
        first = members[0]
        for sample in members[1:]:
            if task[sample] != task[first]:
                yield table.finding(int(sample), "shared_with_task", "note", other=int(first))


def leaks(table: Table) -> Iterator[Finding]:
    """`leak`: training records whose prompt some task holds out for validation or test."""
    side, prompt = table.column("side"), table.column("prompt")
    held = np.flatnonzero(side != _TRAIN)
    if not len(held):
        return
    order = held[np.argsort(prompt[held], kind="stable")]
    place = np.searchsorted(prompt[order], prompt)
    found = np.minimum(place, len(order) - 1)
    hit = (prompt[order[found]] == prompt) & (side == _TRAIN)
    for sample in np.flatnonzero(hit):
        yield table.finding(int(sample), "leak", "error", other=int(order[found[sample]]))


def near(table: Table) -> Iterator[Finding]:
    """`near_duplicate` within a split of a task, and `near_leak` of training records that are
    nearly the same as one that is held out."""
    made, rank = copies_of(table), _rank(table)
    same = _Same(table, np.flatnonzero(~marked(table, made)), rank)
    one, other, alike = similar_pairs(table, same.first(), SIMILAR)
    # The better of two first, and pairs by their better one: what stays then was let stay before
    # anything goes for it.
    swap = rank[one] > rank[other]
    one, other = np.where(swap, other, one), np.where(swap, one, other)
    order = np.lexsort((rank[other], rank[one]))
    side, task, kind = table.column("side"), table.tasks(), table.column("kind")
    prompt = table.column("prompt")
    dropped: Bool[np.ndarray, " N"] = np.zeros(len(table), dtype=bool)
    leaked = dropped.copy()
    for a, b, how in zip(
        one[order].tolist(), other[order].tolist(), alike[order].tolist(), strict=True
    ):
        same_side = side[a] == side[b]
        if same_side and task[a] == task[b] and not dropped[a] and not dropped[b]:
            if kind[b] == _RAW or _same_answer(table, a, b):
                dropped[b] = True
                for sample in (b, *made.get(b, ())):
                    yield table.finding(sample, "near_duplicate", "warning", other=a, score=how)
        elif not same_side and _TRAIN in (side[a], side[b]):
            mine, held = (a, b) if side[a] == _TRAIN else (b, a)
            if not leaked[mine] and prompt[mine] != prompt[held]:
                leaked[mine] = True
                for each in same.like(mine):
                    for sample in (each, *made.get(each, ())):
                        yield table.finding(sample, "near_leak", "error", other=held, score=how)


def copies_of(table: Table) -> dict[int, list[int]]:
    """For a sample the marked copies of it: those with its prompt and answers in its place.

    Where every sample that says so is a copy, the first stands for what they were made of.
    """
    copied = table.column("copied") > 0
    if not copied.any():
        return {}
    place = (table.tasks() * 4 + table.column("side")).astype(np.uint64)
    found: dict[int, list[int]] = {}
    for group in groups(mixed(table.column("prompt"), table.column("answer"), place)):
        own = group[~copied[group]]
        first = int(own[0] if len(own) else group[0])
        made = [int(one) for one in group[copied[group]] if one != first]
        if made:
            found[first] = made
    return found


def marked(table: Table, copies: Mapping[int, Sequence[int]]) -> Bool[np.ndarray, " N"]:
    """Which samples are marked copies of another one that is there."""
    found: Bool[np.ndarray, " N"] = np.zeros(len(table), dtype=bool)
    for some in copies.values():
        found[some] = True
    return found


def _same_answer(table: Table, a: int, b: int) -> bool:
    one, other = table.text(a)[1], table.text(b)[1]
    return one == other or similarity(one, other) >= SIMILAR


class _Same:
    """Samples with the same content and answers in the same place, the best of each first."""

    def __init__(self, table: Table, among: Int[np.ndarray, " M"], rank: np.ndarray) -> None:
        place = (table.tasks() * 4 + table.column("side")).astype(np.uint64)
        self._key = mixed(table.column("content"), table.column("answer"), place)
        order = np.lexsort((rank[among], self._key[among]))
        self._members = among[order]
        self._ordered = self._key[self._members]

    def first(self) -> Int[np.ndarray, " D"]:
        """One of each, in the order of the table."""
        new = np.append(True, self._ordered[1:] != self._ordered[:-1])
        return np.sort(self._members[new[: len(self._members)]])

    def like(self, sample: int) -> list[int]:
        """All that are as this one is, itself among them."""
        start, end = (
            int(np.searchsorted(self._ordered, self._key[sample], side=side))
            for side in ("left", "right")
        )
        return self._members[start:end].tolist()


def _rank(table: Table) -> Int[np.ndarray, " N"]:
    """Lower is kept: more filled fields first, then the order of the files."""
    filled = table.column("filled").astype(np.int64)
    return (65535 - filled) * (len(table) + 1) + np.arange(len(table))


def _copies(key: UInt64[np.ndarray, " N"], rank: np.ndarray) -> Iterator[tuple[int, int]]:
    """Every sample that goes, in order, and the copy that stays."""
    kept = np.arange(len(key))
    for group in groups(key):
        kept[group] = group[np.argmin(rank[group])]
    for sample in np.flatnonzero(kept != np.arange(len(key))):
        yield int(sample), int(kept[sample])


def groups(key: np.ndarray) -> Iterator[Int[np.ndarray, " G"]]:
    """The places of equal values, where there are several; each group and all of them in order."""
    order = np.argsort(key, kind="stable")
    starts, ends = several(key[order])
    first = np.argsort(order[starts], kind="stable")
    for start, end in zip(starts[first].tolist(), ends[first].tolist(), strict=True):
        yield order[start:end]


def mixed(*columns: np.ndarray) -> UInt64[np.ndarray, " N"]:
    """One hash of several."""
    found = np.zeros(len(columns[0]), dtype=np.uint64)
    for column in columns:
        found = (found ^ column.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        found ^= found >> np.uint64(29)
    return found
