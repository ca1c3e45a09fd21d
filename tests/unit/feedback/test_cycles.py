"""Planted cycles are counted exactly."""

from itertools import combinations

import numpy as np
import pytest

from annotated import pair
from madrigal.feedback.cycles import components, cycles
from madrigal.feedback.votes import comparisons
from madrigal.tasks.feedback import Feedback, Judgement
from madrigal.tasks.record import Record, Turn


def tournament(prompt: str, edges, votes=1):
    """Pairs about one prompt: the first of each edge is better."""
    return [
        pair(k, edge, [("", 1)], prompt=prompt)
        for _ in range(votes)
        for k, edge in enumerate(edges)
    ]


def ranked(names, flips=()):
    """All pairs of names in their order, but for those that are turned round."""
    return [(b, a) if (a, b) in flips else (a, b) for a, b in combinations(names, 2)]


def found(records, flip_rate=None):
    return cycles(comparisons(records), flip_rate)


def test_one_planted_cycle_of_three():
    one = found(tournament("p", [("a", "b"), ("b", "c"), ("c", "a")]))
    assert (one.triples, one.rate.n, one.knots) == (1, 1, (("votes.jsonl:1", 3),))


def test_an_order_has_none():
    one = found(tournament("p", ranked("abcdef")))
    assert (one.triples, one.rate.n, one.knots) == (0, 20, ())


def test_turning_the_ends_of_an_order_makes_each_in_between_a_cycle():
    """With e over a in a > b > c > d > e: cycles a, x, e for x in b, c, d."""
    one = found(tournament("p", ranked("abcde", {("a", "e")})))
    assert (one.triples, one.rate.n) == (3, 10)
    assert one.knots == (("votes.jsonl:1", 5),)


def test_prompts_do_not_mix():
    records = [
        *tournament("p", [("a", "b"), ("b", "c")]),
        *tournament("q", [("c", "a"), ("a", "d"), ("d", "c")]),
    ]
    one = found(records)
    assert (one.triples, one.prompts, one.cyclic_prompts) == (1, 1, 1)


def test_the_majority_decides_an_edge_and_a_split_one_is_none():
    edges = [("a", "b"), ("b", "c"), ("c", "a")]
    against = [pair(9, ("a", "c"), [("", 1)], prompt="p")]
    assert found(tournament("p", edges, votes=2) + against).triples == 1
    assert found(tournament("p", edges) + against) is None
    assert found(tournament("p", edges) + against * 2).triples == 0


def test_a_ranking_by_one_person_cannot_be_cyclic_and_does_not_count():
    feedback = Feedback("ranking", tuple("abcd"), (Judgement((3.0, 2.0, 1.0, 0.0)),))
    record = Record("f:1", (Turn("user", "p"),), feedback=feedback)
    assert found([record]) is None
    beside = tournament("p", [("a", "e")])
    assert found([record, *beside]) is None  # a, b, c, d are still in one person's order
    # Three people whose orders differ, each of them consistent: Condorcet's paradox.
    orders = [(3.0, 2.0, 1.0), (1.0, 3.0, 2.0), (2.0, 1.0, 3.0)]
    said = tuple(Judgement(values) for values in orders)
    paradox = Record("f:1", (Turn("user", "p"),), feedback=Feedback("ranking", tuple("abc"), said))
    assert found([paradox]).triples == 1


@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_noise_makes_as_many_as_expected(rate):
    """One vote an edge on an order of six, each flipped with chance e: e (1 - e) of the triples."""
    random = np.random.default_rng(0)
    records = []
    for prompt in range(150):
        pairs = list(combinations("abcdef", 2))
        flips = {edge for edge in pairs if random.random() < rate}
        records += tournament(f"p{prompt}", ranked("abcdef", flips))
    one = found(records, rate)
    assert one.expected == pytest.approx(rate * (1 - rate))
    assert one.rate.low < one.expected < one.rate.high


def test_more_votes_an_edge_make_fewer_expected():
    edges = ranked("abc")
    assert (
        found(tournament("p", edges, 3), 0.2).expected < found(tournament("p", edges), 0.2).expected
    )


def test_components():
    better = np.zeros((6, 6), dtype=bool)
    for a, b in [(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 3)]:
        better[a, b] = True
    assert components(better) == [[0, 1, 2], [3, 4]]
