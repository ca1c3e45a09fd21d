"""Whether the same annotator says the same again, and whether the order of answers matters."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.measure import DRAWS, Measure, share
from madrigal.feedback.votes import Votes


@dataclass(frozen=True, slots=True)
class Swaps:
    """What a judge said of the same pair in both orders; shares of such pairs, n of them.

    `consistent`: the same verdict. `first` and `second`: the answer in this place was preferred
    both times, whichever it was. The rest said tie once.
    """

    consistent: Measure
    first: Measure
    second: Measure


def self_disagreement(votes: Votes, resampling: Resampling = DRAWS) -> Measure | None:
    """Of two votes of one annotator about the same item, how often they differ.

    For comparisons: how often they are opposite, ties left out. n counts the pairs of votes.
    None where no named annotator judged anything twice.
    """
    table = votes.strict if votes.answers.shape[1] == 2 else votes
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for vote in np.flatnonzero(table.annotator >= 0).tolist():
        groups[int(table.item[vote]), int(table.annotator[vote])].append(vote)
    twice = [rows for rows in groups.values() if len(rows) > 1]
    pairs = [pair for rows in twice for pair in combinations(rows, 2)]
    differ = np.array([table.value[a] != table.value[b] for a, b in pairs], dtype=np.float64)
    cluster = np.array([table.prompt[table.item[a]] for a, _ in pairs], dtype=np.int64)
    return share(differ, np.ones(len(pairs)), cluster, resampling)


def order_swaps(votes: Votes, resampling: Resampling = DRAWS) -> Swaps | None:
    """Pairs that one judge (or one set without names) saw in both orders; None if there are none.

    Zheng et al. (NeurIPS 2023) call a judge that always prefers one place position-biased.
    """
    groups: dict[tuple[int, int], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for vote in np.flatnonzero(votes.shown != 0).tolist():
        key = (int(votes.item[vote]), int(votes.annotator[vote]))
        groups[key][0 if votes.shown[vote] > 0 else 1].append(vote)
    pairs = [pair for key in groups for pair in zip(*groups[key], strict=False)]
    if not pairs:
        return None
    one, other = (votes.value[list(rows)] for rows in zip(*pairs, strict=True))
    cluster = votes.cluster[[a for a, _ in pairs]]
    each = np.ones(len(pairs))

    def part(hit: np.ndarray) -> Measure:
        found = share(hit.astype(np.float64), each, cluster, resampling)
        assert found is not None
        return found

    # In the first vote of each pair the item's first answer was shown first.
    return Swaps(
        part(one == other),
        part((one > 0) & (other < 0)),
        part((one < 0) & (other > 0)),
    )
