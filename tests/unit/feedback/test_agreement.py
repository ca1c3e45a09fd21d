"""Agreement, on published examples and on cases with a known answer."""

import numpy as np
import pytest

from annotated import flipped, pair, votes_of
from madrigal.feedback.agreement import agreement, alpha, krippendorff
from madrigal.feedback.ceiling import ceiling, correlation_ceiling, majority_right
from madrigal.feedback.votes import comparisons

# Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), example C: four observers.
OBSERVERS = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""


def observed():
    rows = [line.split() for line in OBSERVERS.strip().splitlines()]
    cells = [(u, float(row[u])) for row in rows for u in range(12) if row[u] != "."]
    item, value = zip(*cells, strict=True)
    return np.array(item), np.array(value)


@pytest.mark.parametrize(
    ("metric", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_krippendorffs_own_example(metric, published):
    assert alpha(*observed(), metric) == pytest.approx(published, abs=5e-4)


def test_examples_of_crowd_kit():
    both = np.array([0, 0, 1, 1]), np.array([1.0, 1.0, 0.0, 0.0])
    assert alpha(*both) == 1.0
    three = np.array([0, 0, 1, 1, 2, 2]), np.array([1.0, 1.0, 0.0, 0.0, 1.0, 0.0])
    assert alpha(*three) == pytest.approx(0.4444444444444444)


def test_alpha_is_not_known_where_all_say_the_same_or_nothing_is_said_twice():
    assert np.isnan(alpha(np.array([0, 0, 1, 1]), np.ones(4)))
    assert np.isnan(alpha(np.array([0, 1, 2]), np.arange(3.0)))
    assert krippendorff(votes_of([0, 1, 2], [1.0, 2.0, 3.0]), "nominal") is None


def test_alpha_of_preferences_does_not_hang_on_the_order_of_the_answers():
    """Everybody prefers the first answer, always: perfect agreement, and not an undefined one."""
    records = [pair(k, (f"good {k}", f"bad {k}"), [("a", 1), ("b", 1)]) for k in range(40)]
    found = krippendorff(comparisons(records), "nominal")
    assert found.value == 1.0
    assert 0.8 < found.low < 1.0  # forty items cannot prove that nobody ever disagrees
    assert found.n == 40


def test_annotators_who_toss_coins_agree_by_chance():
    found = krippendorff(comparisons(flipped(600, 3, 0.5, seed=1)), "nominal")
    assert found.low < 0 < found.high
    assert abs(found.value) < 0.06


def test_the_interval_holds_the_alpha_of_the_population():
    """With flips e, two votes agree with 1 - 2 e (1 - e) and by chance with 1/2."""
    true = 1 - 2 * (2 * 0.1 * 0.9)
    hits = 0
    for seed in range(10):
        found = krippendorff(comparisons(flipped(300, 3, 0.1, seed)), "nominal")
        hits += found.low <= true <= found.high
    assert hits >= 8


def test_agreement_is_the_share_of_other_votes_that_say_the_same():
    votes = votes_of([0, 0, 0, 1, 1, 2], [1, 1, 2, 3, 3, 9])
    # Item 0: votes agree with 1/2, 1/2 and 0 of the others; item 1: with all; item 2 has no other.
    assert agreement(votes).value == pytest.approx((0.5 + 0.5 + 0 + 1 + 1) / 5)
    assert agreement(votes).n == 5
    assert agreement(votes_of([0, 1], [1, 1])) is None


@pytest.mark.parametrize("seed", range(3))
def test_a_perfect_model_lies_between_the_bounds_of_the_ceiling(seed):
    found = ceiling(comparisons(flipped(1500, 5, 0.2, seed)))
    assert found.most.low <= 0.8 <= found.most.high
    others = majority_right(0.2, 4)
    assert found.least.value == pytest.approx(others * 0.8 + (1 - others) * 0.2, abs=0.02)
    assert found.majority.value == pytest.approx(majority_right(0.2, 5), abs=0.02)


def test_the_upper_bound_holds_where_some_items_are_harder():
    easy, hard = flipped(800, 4, 0.02, 3), flipped(800, 4, 0.45, 4)
    votes = comparisons([*easy, *(_renamed(record) for record in hard)])
    best = 1 - (0.02 + 0.45) / 2
    found = ceiling(votes)
    assert found.most.value > best
    assert found.least.value < best


def test_majority_of_one_and_of_three():
    assert majority_right(0.3, 1) == pytest.approx(0.7)
    assert majority_right(0.3, 2) == pytest.approx(0.7)  # half of the ties are right
    assert majority_right(0.3, 3) == pytest.approx(0.7**3 + 3 * 0.7**2 * 0.3)


def test_no_ceiling_without_repeated_labels():
    assert ceiling(comparisons(flipped(50, 1, 0.1, 0))) is None


def test_the_correlation_with_a_rater_is_bounded_by_the_raters_noise():
    """Ratings are truth plus noise of the same variance: reliability 1/2, ceiling sqrt(1/2)."""
    random = np.random.default_rng(0)
    truth = random.normal(size=1500)
    item = np.repeat(np.arange(1500), 2)
    votes = votes_of(item, truth[item] + random.normal(size=3000))
    found = correlation_ceiling(votes)
    assert found.low < np.sqrt(0.5) < found.high
    assert found.value == pytest.approx(np.sqrt(0.5), abs=0.03)


def _renamed(record):
    from dataclasses import replace

    from madrigal.tasks.record import Turn

    return replace(record, turns=(Turn("user", "hard: " + record.turns[0].text),))
