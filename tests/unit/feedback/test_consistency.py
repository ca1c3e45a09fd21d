"""Repeats by one annotator, and judges who look at the place."""

import numpy as np
import pytest

from annotated import pair, rated
from madrigal.feedback.consistency import order_swaps, self_disagreement
from madrigal.feedback.shortcuts import position_bias
from madrigal.feedback.votes import comparisons, ratings


def judged(items: int, seed: int, favour: float = 0.0, noise: float = 0.0, judge="judge"):
    """A judge sees each pair in both orders; with chance `favour` it takes the first place."""
    random = np.random.default_rng(seed)
    records = []
    for number in range(items):
        answers = (f"good {number}", f"bad {number}")
        for shown in ((0, 1), (1, 0)):
            better = -1 if random.random() < noise else 1
            if random.random() < favour:
                better = 1 if shown[0] == 0 else -1
            said = [(judge, better)]
            records.append(pair(len(records), answers, said, f"p{number}", shown, "verdict"))
    return comparisons(records)


@pytest.mark.parametrize("seed", range(3))
def test_a_judge_who_favours_the_first_place_is_found(seed):
    votes = judged(400, seed, favour=0.3)
    swaps = order_swaps(votes)
    assert swaps.consistent.low <= 0.7 <= swaps.consistent.high
    assert swaps.first.low <= 0.3 <= swaps.first.high
    assert swaps.second.value == 0.0
    # The first place wins when it is favoured, and else when the good one stands there.
    assert position_bias(votes).low > 0.5
    assert position_bias(votes).value == pytest.approx(0.3 + 0.7 / 2, abs=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_the_clean_twin_is_quiet(seed):
    """As inconsistent, but whatever the place."""
    votes = judged(400, seed, noise=0.1)
    swaps = order_swaps(votes)
    assert swaps.consistent.value == pytest.approx(0.82, abs=0.05)
    assert swaps.first.low < swaps.second.high
    assert swaps.second.low < swaps.first.high
    assert not position_bias(votes).without(0.5)


def test_judges_are_not_mixed_and_need_both_orders():
    one = pair(0, ("a", "b"), [("x", 1)], "p", (0, 1), "verdict")
    other = pair(1, ("a", "b"), [("y", -1)], "p", (1, 0), "verdict")
    assert order_swaps(comparisons([one, other])) is None
    swapped = pair(2, ("b", "a"), [("x", -1)], "p", (0, 1), "verdict")
    found = order_swaps(comparisons([one, other, swapped]))
    assert (found.consistent.value, found.consistent.n) == (1.0, 1)


def test_a_tie_against_a_verdict_is_inconsistent_but_no_place_won():
    one = pair(0, ("a", "b"), [("x", 1)], "p", (0, 1), "verdict")
    tied = pair(1, ("a", "b"), [("x", 0)], "p", (1, 0), "verdict")
    found = order_swaps(comparisons([one, tied]))
    assert (found.consistent.value, found.first.value, found.second.value) == (0.0, 0.0, 0.0)


def test_the_second_place_can_win_too():
    one = pair(0, ("a", "b"), [("x", -1)], "p", (0, 1), "verdict")
    other = pair(1, ("a", "b"), [("x", 1)], "p", (1, 0), "verdict")
    found = order_swaps(comparisons([one, other]))
    assert (found.first.value, found.second.value) == (0.0, 1.0)


def test_self_disagreement_counts_repeats_of_one_annotator():
    said = [("ann", 1), ("ann", -1), ("ann", 1), ("bob", -1), ("", 1), ("", -1)]
    records = [pair(k, ("a", "b"), [one], "p") for k, one in enumerate(said)]
    found = self_disagreement(comparisons(records))
    assert found.value == pytest.approx(2 / 3)
    assert found.n == 3


def test_planted_self_disagreement_is_measured():
    """Each vote is flipped with e, so two of them differ in 2 e (1 - e)."""
    random = np.random.default_rng(0)
    records = []
    for number in range(1500):
        said = [("ann", -1 if random.random() < 0.15 else 1) for _ in range(2)]
        records += [
            pair(2 * number + k, ("a", "b"), [one], f"p{number}") for k, one in enumerate(said)
        ]
    found = self_disagreement(comparisons(records))
    assert found.low < 2 * 0.15 * 0.85 < found.high


def test_ratings_differ_when_their_values_do():
    records = [
        rated(0, "a", [("ann", 3.0), ("ann", 4.0), ("bob", 1.0)]),
        rated(1, "b", [("ann", 2.0)]),
    ]
    assert self_disagreement(ratings(records)).value == 1.0
    assert self_disagreement(ratings(records[1:])) is None
