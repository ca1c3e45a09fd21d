"""Length that decides is found; length that does not is not."""

import numpy as np
import pytest

from annotated import pair, rated
from madrigal.feedback.shortcuts import (
    file_order,
    length_bias,
    length_correlation,
    position_bias,
    ranks,
)
from madrigal.feedback.votes import comparisons, ratings


def of_lengths(items: int, seed: int, longer_wins: float):
    random = np.random.default_rng(seed)
    records = []
    for number in range(items):
        one, other = random.integers(5, 80, 2)
        prefer = (one > other) == (random.random() < longer_wins)
        answers = ("x" * int(one) + f" {number}", "y" * int(other) + f" {number}")
        records.append(pair(number, answers, [("", 1 if prefer else -1)]))
    return comparisons(records)


@pytest.mark.parametrize("seed", range(4))
def test_planted_length_bias_is_measured(seed):
    found = length_bias(of_lengths(600, seed, 0.8))
    assert found.value == pytest.approx(0.8, abs=0.06)
    assert found.without(0.5)


def test_the_clean_twin_is_quiet():
    quiet = [not length_bias(of_lengths(600, seed, 0.5)).without(0.5) for seed in range(10)]
    assert sum(quiet) >= 9


def test_a_leaning_to_short_answers_is_found_too():
    assert length_bias(of_lengths(600, 0, 0.2)).high < 0.5


def test_equal_lengths_count_half_and_ties_not_at_all():
    records = [
        pair(0, ("aa", "bb"), [("", 1)]),
        pair(1, ("aaa", "bb"), [("", 1)]),
        pair(2, ("aaa", "b"), [("", 0)]),
    ]
    found = length_bias(comparisons(records))
    assert (found.value, found.n) == (0.75, 2)


def test_length_of_rated_answers():
    random = np.random.default_rng(0)
    lengths = random.integers(1, 60, 500)
    noisy = lengths + random.normal(0, 20, 500)
    grades = np.clip(np.round(1 + 4 * (noisy - noisy.min()) / np.ptp(noisy)), 1, 5)
    records = [
        rated(k, "x" * int(n), [("", float(g))])
        for k, (n, g) in enumerate(zip(lengths, grades, strict=True))
    ]
    found = length_correlation(ratings(records))
    assert found.low > 0.4
    shuffled = [
        rated(k, "x" * int(n), [("", float(g))])
        for k, (n, g) in enumerate(zip(lengths, random.permutation(grades), strict=True))
    ]
    assert not length_correlation(ratings(shuffled)).without(0.0)


def test_nothing_correlates_with_a_constant():
    records = [rated(k, f"x{k}", [("", 3.0)]) for k in range(9)]
    assert length_correlation(ratings(records)) is None


def test_ranks_share_ties():
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]


def test_places_are_known_or_not():
    unknown = [pair(k, (f"a{k}", f"b{k}"), [("", 1)]) for k in range(9)]
    assert position_bias(comparisons(unknown)) is None
    assert file_order(comparisons(unknown)).value == 1.0
    shown = [pair(k, (f"a{k}", f"b{k}"), [("", 1)], shown=(1, 0)) for k in range(9)]
    assert position_bias(comparisons(shown)).value == 0.0
