"""The partition of K tasks with the highest score: exact for few tasks, local search for many.

All searches work on D matrices at once, so that a bootstrap costs little more than one search.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from jaxtyping import Float, Int

EXACT = 12  # tasks; the exact search takes 3^K / 6 sums a matrix
_AT_ONCE = 128  # matrices; what a search holds then stays within a few tens of megabytes
_RESTARTS = 4  # random partitions that the local search starts from too

Labels = Int[np.ndarray, "D K"]  # of the group of each task, by first appearance
Matrices = Float[np.ndarray, "D K K"]  # what row i gives to column j; diagonals are not looked at
Table = Float[np.ndarray, "S D"]  # S = 2^K subsets, as bit masks


def partition_scores(affinity: Matrices, labels: Labels) -> Float[np.ndarray, " D"]:
    """Mean over tasks of the mean affinity that each gets from its group mates.

        s(P) = 1/K sum_j 1/(|g(j)| - 1) sum_{i in g(j), i != j} Z_ij

    As in TAG (Fifty et al., 2021, section 4.2), where a group's affinity to a task is the mean of
    its pairwise affinities. A task alone counts 0: nobody gives it anything. The score is linear in
    the matrix.
    """
    return received(affinity, labels).mean(axis=1)


def received(affinity: Matrices, labels: Labels) -> Float[np.ndarray, "D K"]:
    """Of each task the mean affinity that it gets from its group mates; 0 where it has none."""
    mates = labels[:, :, None] == labels[:, None, :]
    mates &= ~np.eye(labels.shape[1], dtype=bool)
    return np.where(mates, affinity, 0.0).sum(axis=1) / np.maximum(mates.sum(axis=1), 1)


def best_partitions(affinity: Matrices, most: int, seed: int = 0) -> Labels:
    """The best partition of each matrix into at most `most` groups.

    Exact up to `EXACT` tasks. Above, the best that a local search finds from several starts: it may
    miss the optimum, and is the same each time for the same seed.
    """
    found = []
    for part in _parts(affinity):
        if part.shape[1] > EXACT:
            found.append(_from_starts(part, most, seed))
        elif most >= part.shape[1]:
            found.append(_exact(part))
        else:
            found.append(next(islice(_exact_upto(part), most - 1, None)))
    return np.concatenate(found)


def best_by_count(affinity: Matrices, seed: int = 0) -> list[Labels]:
    """The best partitions into at most 1, 2, ..., K groups, as `best_partitions` finds them."""
    tasks = affinity.shape[1]
    if tasks <= EXACT:
        columns = zip(*(_exact_upto(part) for part in _parts(affinity)), strict=True)
        return [np.concatenate(column) for column in columns]
    found = [best_partitions(affinity, tasks, seed)]
    for most in range(tasks - 1, 0, -1):
        found.append(local_search(affinity, found[-1], most))
    return found[::-1]


def _parts(affinity: Matrices) -> Iterator[Matrices]:
    return (affinity[i : i + _AT_ONCE] for i in range(0, len(affinity), _AT_ONCE))


def in_order(labels: Labels) -> Labels:
    """Groups numbered by their first task, so that equal partitions have equal labels."""
    found = np.full_like(labels, -1)
    fresh = np.zeros(len(labels), dtype=labels.dtype)
    for k in range(labels.shape[1]):
        new = found[:, k] < 0
        same = labels == labels[:, k : k + 1]
        found = np.where(new[:, None] & same, fresh[:, None], found)
        fresh = fresh + new
    return found


def _exact(affinity: Matrices) -> Labels:
    """Dynamic programming over subsets S of the tasks: which group G holds the first task of S.

    best(S) = max_G value(G) + best(S - G)
    """
    value = _group_values(affinity)
    best = value.copy()
    return _traced([_choose(value, best, best, affinity.shape[1])], affinity)


def _exact_upto(affinity: Matrices) -> Iterator[Labels]:
    """The best into at most 1, 2, ..., K groups: best_n(S) = max_G value(G) + best_{n-1}(S - G)."""
    value = _group_values(affinity)
    best = value.copy()
    choices = [np.broadcast_to(np.arange(len(value))[:, None], value.shape)]  # one group: all of S
    yield _traced(choices, affinity)
    for _ in range(affinity.shape[1] - 1):
        choices.append(_choose(value, best.copy(), best, affinity.shape[1]))
        yield _traced(choices, affinity)


def _choose(value: Table, before: Table, best: Table, tasks: int) -> Int[np.ndarray, "S D"]:
    """Fill `best` and say which group it takes; `before` is what the rest of S is worth."""
    every = np.arange(value.shape[1])
    choice = np.zeros(value.shape, dtype=np.int16)
    for subset in _subsets(tasks):
        groups = _with_first(subset)
        totals = value[groups] + before[subset ^ groups]
        pick = totals.argmax(axis=0)
        best[subset] = totals[pick, every]
        choice[subset] = groups[pick]
    return choice


def _group_values(affinity: Matrices) -> Table:
    """Summed mean affinities inside every subset of the tasks."""
    tasks = affinity.shape[1]
    pairs = np.ascontiguousarray((affinity + affinity.transpose(0, 2, 1)).transpose(1, 2, 0))
    total = np.zeros((1, len(affinity)))
    for k in range(tasks):
        link = np.zeros((1, len(affinity)))
        for j in range(k):
            link = np.concatenate([link, link + pairs[k, j]])
        total = np.concatenate([total, total + link])
    sizes = np.array([mask.bit_count() for mask in range(1 << tasks)])
    return total / np.maximum(sizes - 1, 1)[:, None]


def _subsets(tasks: int) -> list[int]:
    """Smaller masks first. After the first group is taken no subset holds task 0 any more."""
    return [*range(2, 1 << tasks, 2), (1 << tasks) - 1]


def _with_first(subset: int) -> Int[np.ndarray, " N"]:
    """All parts of a subset that hold its first task."""
    first = subset & -subset
    found, rest = np.array([first]), subset ^ first
    while rest:
        bit = rest & -rest
        found, rest = np.concatenate([found, found | bit]), rest ^ bit
    return found


def _traced(choices: Sequence[np.ndarray], affinity: Matrices) -> Labels:
    draws, tasks, _ = affinity.shape
    every = np.arange(draws)
    left = np.full(draws, (1 << tasks) - 1)
    labels = np.zeros((draws, tasks), dtype=np.int64)
    for group in range(tasks):
        choice = choices[max(len(choices) - 1 - group, 0)]
        taken = np.where(left > 0, choice[left, every].astype(np.int64), 0)
        inside = (taken[:, None] >> np.arange(tasks)) & 1
        labels = np.where(inside > 0, group, labels)
        left = left & ~taken
    return labels


def _from_starts(affinity: Matrices, most: int, seed: int) -> Labels:
    draws, tasks, _ = affinity.shape
    random = np.random.default_rng([seed, tasks])
    starts = [np.arange(tasks), np.zeros(tasks, dtype=np.int64)]
    starts += [random.integers(tasks, size=tasks) for _ in range(_RESTARTS)]
    found = np.zeros((draws, tasks), dtype=np.int64)
    scores = np.full(draws, -np.inf)
    for start in starts:
        labels = local_search(affinity, np.tile(start, (draws, 1)), most)
        reached = partition_scores(affinity, labels)
        found = np.where((reached > scores)[:, None], labels, found)
        scores = np.maximum(reached, scores)
    return found


def local_search(affinity: Matrices, labels: Labels, most: int) -> Labels:
    """From given partitions, the best single move or merger again and again while one gains.

    A move takes one task to another group or to a new one; a merger joins two groups. Groups above
    `most` are merged first, whatever that costs.
    """
    draws, tasks, _ = affinity.shape
    every = np.arange(draws)
    pairs = affinity + affinity.transpose(0, 2, 1)
    pairs[:, np.arange(tasks), np.arange(tasks)] = 0.0
    least = 1e-12 * np.abs(pairs).max(axis=(1, 2), initial=0.0)
    while True:
        member = (labels[:, :, None] == np.arange(tasks)).astype(np.float64)
        moves, mergers, many = _gains(pairs, labels, member, most)
        merger = mergers.reshape(draws, -1).argmax(axis=1)
        merged = mergers.reshape(draws, -1)[every, merger]
        move = moves.reshape(draws, -1).argmax(axis=1)
        moved = moves.reshape(draws, -1)[every, move]
        join = many | ((merged > least) & (merged >= moved))
        shift = ~join & (moved > least)
        if not (join.any() or shift.any()):
            return in_order(labels)
        into, gone = np.divmod(merger, tasks)
        joined = np.where(labels == gone[:, None], into[:, None], labels)
        task, group = np.divmod(move, tasks)
        shifted = labels.copy()
        shifted[every, task] = group
        labels = np.where(join[:, None], joined, np.where(shift[:, None], shifted, labels))


def _gains(
    pairs: Matrices, labels: Labels, member: Float[np.ndarray, "D K G"], most: int
) -> tuple[Float[np.ndarray, "D K G"], Float[np.ndarray, "D G G"], np.ndarray]:
    """What each move and each merger adds to the score, -inf where it is none; who must merge."""
    tie = pairs @ member  # of each task to each group
    size = member.sum(axis=1)
    inside = (member * tie).sum(axis=1) / 2
    value = inside / np.maximum(size - 1, 1)
    groups = (size > 0).sum(axis=1)
    own = np.take_along_axis(tie, labels[:, :, None], axis=2)[:, :, 0]
    from_inside, from_size, from_value = (
        np.take_along_axis(part, labels, axis=1) for part in (inside, size, value)
    )
    left = (from_inside - own) / np.maximum(from_size - 2, 1) - from_value
    got = (inside[:, None] + tie) / np.maximum(size, 1)[:, None] - value[:, None]
    full = (groups >= most)[:, None, None] | (from_size == 1)[:, :, None]
    barred = (member > 0) | ((size == 0)[:, None] & full)
    moves = np.where(barred, -np.inf, left[:, :, None] + got)
    cross = member.transpose(0, 2, 1) @ tie
    both = (inside[:, :, None] + inside[:, None, :] + cross) / np.maximum(
        size[:, :, None] + size[:, None, :] - 1, 1
    )
    real = (size > 0)[:, :, None] & (size > 0)[:, None, :]
    real &= np.triu(np.ones(cross.shape[1:], dtype=bool), 1)
    mergers = np.where(real, both - value[:, :, None] - value[:, None, :], -np.inf)
    return moves, mergers, groups > most
