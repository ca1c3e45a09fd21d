import numpy as np
import pytest
from scipy import stats

from madrigal.evaluation.blocks import Blocks, reach, within


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 8, 60, 149])
def test_students_t(freedom):
    for t in (0.0, 0.5, 2.0, 9.0):
        assert within(t, freedom) == pytest.approx(1 - 2 * stats.t.sf(t, freedom), abs=1e-12)
    assert reach(0.95, freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-12)


def test_the_draws_have_the_mean_of_the_steps_and_the_same_come_again():
    values = np.random.default_rng(0).normal(3.0, 1.0, size=(60, 2))
    draws = Blocks(draws=4000).sums(values)
    error = draws.std(axis=0) / 4000**0.5
    assert abs(draws.mean(axis=0) - values.sum(axis=0)) == pytest.approx(0, abs=4 * error.max())
    assert (draws == Blocks(draws=4000).sums(values)).all()


def test_neighbours_that_agree_widen_the_interval():
    alone = np.random.default_rng(1).normal(size=200)
    runs = np.repeat(alone[:50], 4)[:, None]
    shuffled = np.random.default_rng(2).permutation(runs)
    assert Blocks().sums(runs).std() > 1.4 * Blocks().sums(shuffled).std()


def test_a_long_log_keeps_its_sum_and_its_spread():
    values = np.random.default_rng(3).normal(1.0, 1.0, size=(5000, 1))
    draws = Blocks().sums(values)
    assert draws.mean() == pytest.approx(values.sum(), abs=4 * 70 / 1000**0.5 + 1)
    assert draws.std() == pytest.approx(values.std() * 5000**0.5, rel=0.15)


def test_p_of_what_is_not_below_zero_is_one():
    draws = np.random.default_rng(4).normal(size=(500, 3)) + np.array([-4.0, 4.0, 0.0])
    p = Blocks().p_below(np.array([-4.0, 4.0, 0.0]), draws, 60)
    assert p[0] < 0.01
    assert list(p[1:]) == [1.0, 1.0]
