"""Cycles: A is better than B, B better than C, and C better than A."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Int

from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.measure import DRAWS, Measure, share
from madrigal.feedback.ceiling import majority_right
from madrigal.feedback.votes import Votes


@dataclass(frozen=True, slots=True)
class Cycles:
    """Cycles in the tournaments of all prompts.

    A prompt's tournament has its answers as nodes, and an edge from one to another where most
    votes prefer it. `rate` is the share of triples that are cyclic, among those with all three
    edges; n counts them. Triples that one judgement alone put in order cannot be cyclic and do not
    count. `expected` is the rate that noise alone would make, e (1 - e), where e is the chance that
    an edge is the wrong way round; a coin toss for every edge makes 1/4. `knots` are the strongly
    connected components of more than one answer: (where, number of answers).
    """

    rate: Measure
    triples: int  # that are cyclic
    prompts: int  # with such a triple
    cyclic_prompts: int
    expected: float | None
    knots: tuple[tuple[str, int], ...]


def cycles(
    votes: Votes, flip_rate: float | None = None, resampling: Resampling = DRAWS
) -> Cycles | None:
    """Cycles among comparisons; None where no prompt has three answers compared in turn.

    `flip_rate` is that of one vote; with several votes an edge is wrong less often.
    """
    found = [*_tournaments(votes)]
    tested = np.array([one.tested for one in found], dtype=np.float64)
    if not tested.sum():
        return None
    cyclic = np.array([one.cyclic for one in found], dtype=np.float64)
    rate = share(cyclic, tested, np.arange(len(found)), resampling)
    assert rate is not None
    expected = None
    if flip_rate is not None:
        sizes = np.concatenate([one.votes for one in found if one.tested])
        wrong = float(np.mean([1 - majority_right(flip_rate, int(n)) for n in sizes]))
        expected = wrong * (1 - wrong)
    knots = tuple((one.where, size) for one in found for size in one.knots)
    prompts, bad = int((tested > 0).sum()), int((cyclic > 0).sum())
    return Cycles(rate, int(cyclic.sum()), prompts, bad, expected, knots)


def components(better: Bool[np.ndarray, "N N"]) -> list[list[int]]:
    """Strongly connected components of more than one node, each in ascending order."""
    reach = better.copy()
    for middle in range(len(reach)):  # Warshall's closure
        reach |= reach[:, middle, None] & reach[middle]
    mutual = reach & reach.T
    groups = {tuple(np.flatnonzero(row).tolist()) for row in mutual if row.any()}
    return [list(group) for group in sorted(groups)]


@dataclass(frozen=True, slots=True)
class _Tournament:
    where: str
    tested: int
    cyclic: int
    votes: Int[np.ndarray, " E"]  # behind each edge
    knots: tuple[int, ...]


def _tournaments(votes: Votes) -> Iterator[_Tournament]:
    by_prompt: dict[int, list[int]] = defaultdict(list)
    for vote, prompt in enumerate(votes.cluster.tolist()):
        by_prompt[prompt].append(vote)
    for rows in by_prompt.values():
        several = len({*votes.judgement[rows].tolist()}) > 1
        if several and len({*votes.item[rows].tolist()}) >= 3:
            yield _tournament(votes.keep(np.array(rows)))


def _tournament(votes: Votes) -> _Tournament:
    items, item = np.unique(votes.item, return_inverse=True)
    sums = np.bincount(item, votes.value)
    nodes, ends = np.unique(votes.answers[items], return_inverse=True)
    ends = ends.reshape(-1, 2)
    better = np.zeros((len(nodes), len(nodes)), dtype=bool)
    by: dict[tuple[int, int], set[int]] = {}
    sizes = []
    for place, (one, other) in enumerate(ends.tolist()):
        if sums[place]:
            first, second = (one, other) if sums[place] > 0 else (other, one)
            better[first, second] = True
            by[min(one, other), max(one, other)] = {*votes.judgement[item == place].tolist()}
            sizes.append(int((item == place).sum()))
    tested = cyclic = 0
    for a, b, c in combinations(range(len(nodes)), 3):
        edges = [by.get(edge) for edge in ((a, b), (b, c), (a, c))]
        if all(edges) and len(set[int]().union(*(edge or () for edge in edges))) > 1:
            tested += 1
            cyclic += int(better[a, b] == better[b, c] == better[c, a])
    knots = tuple(len(group) for group in components(better))
    return _Tournament(votes.where[votes.record[0]], tested, cyclic, np.array(sizes, int), knots)
