"""Shares and their intervals."""

import numpy as np
import pytest

from madrigal.evaluation.intervals import wilson
from madrigal.evaluation.measure import Measure, around, share, shares

ONES = np.ones(20)


def test_one_vote_a_prompt_has_wilsons_interval():
    hits = np.array([1.0] * 18 + [0.0] * 2)
    found = share(hits, ONES, np.arange(20))
    assert (found.low, found.high) == wilson(18, 20)
    assert (found.value, found.n) == (0.9, 20)


def test_votes_about_one_prompt_count_together():
    """Twenty votes about four prompts know less than twenty about twenty."""
    hits = np.repeat([1.0, 1.0, 1.0, 0.0], 5)
    together, apart = (share(hits, ONES, np.arange(20) // size) for size in (5, 1))
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_where_all_draws_agree_the_clusters_decide():
    found = share(ONES, ONES, np.arange(20) // 5)
    assert (found.value, found.low) == (1.0, wilson(4, 4)[0])


def test_nothing_counted_is_no_share():
    assert share(ONES, 0 * ONES, np.arange(20)) is None
    assert share(np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64)) is None


def test_a_falling_function_turns_the_ends_round():
    assert Measure(0.2, 0.1, 0.4, 9).through(lambda e: 1 - e) == Measure(0.8, 0.6, 0.9, 9)


def test_an_interval_holds_its_value_and_ignores_draws_without_one():
    found = around(0.9, np.array([0.1, 0.2, np.nan]), 3)
    assert found.high == 0.9
    assert found.low == pytest.approx(0.1, abs=0.01)


def test_many_shares_at_once_are_those_one_by_one():
    random = np.random.default_rng(0)
    cluster = random.integers(0, 30, 200)
    of = random.random(200)
    asked = [(of * random.random(200), of), (of * (random.random(200) < 0.3), of)]
    for found, one in zip(shares(asked, cluster), asked, strict=True):
        assert found == share(*one, cluster)


def test_of_some_clusters_the_others_do_not_count():
    cluster = np.arange(20)
    hits, among = (cluster % 2).astype(float), (cluster < 10).astype(float)
    (found, nothing) = shares([(hits * among, among), (0 * hits, 0 * hits)], cluster)
    assert (found.value, found.n) == (0.5, 10)
    assert found == share(hits * among, among, cluster)  # Wilson's interval over ten
    assert nothing is None
