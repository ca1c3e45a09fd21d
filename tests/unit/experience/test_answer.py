import numpy as np
import pytest

from madrigal.experience.answer import Answer, Opinions, Prompt, Scale, weighted
from madrigal.tasks.record import Record


def test_rewards_are_summed_by_weight():
    one = Answer(Prompt(np.arange(2), Record("here:1"), 4), np.arange(3), "text", True)
    both = [(2.0, lambda some: np.ones(len(some))), (-1.0, lambda some: np.arange(2.0))]
    found = weighted(both)([one, one])
    np.testing.assert_array_equal(found.rewards, [2.0, 1.0])
    assert found.apart is None
    said = Opinions(np.array([1.0, 2.0]), np.array([0.3, 0.0]))
    again = Opinions(np.array([0.0, 1.0]), np.array([0.2, 0.1]))
    found = weighted([*both, (-1.0, lambda some: said), (2.0, lambda some: again)])([one, one])
    np.testing.assert_allclose(found.rewards, [1.0, 1.0])
    np.testing.assert_allclose(found.apart, [0.5, 0.2])


def test_the_scale_is_that_of_the_first_answers():
    numbers = np.random.default_rng(0).normal(3, 2, size=80)
    scale = Scale().with_more(numbers[:40]).with_more(numbers[40:])
    assert scale.mean == pytest.approx(numbers.mean())
    assert scale.spread == pytest.approx(numbers.std(ddof=1))
    assert scale.with_more(np.full(9, 100.0)) == scale
    white = scale.applied(numbers)
    assert (white.mean(), white.std(ddof=1)) == pytest.approx((0, 1))


def test_what_is_no_number_tells_nothing():
    assert Scale().with_more(np.array([1.0, np.nan, 3.0])).mean == 2.0


@pytest.mark.parametrize("rewards", [[], [4.0], [0.1] * 30, [1e6] * 3])
def test_equal_rewards_are_not_blown_up(rewards):
    assert Scale().with_more(np.array(rewards)).spread == 1.0
