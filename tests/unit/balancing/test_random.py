import numpy as np
import pytest
from scipy import stats

from balancer_view import weights
from madrigal.balancing.random import Random, _normal


def test_the_mean_over_steps_is_equal():
    drawn = np.array([list(weights(Random(), tasks="abc", step=s).values()) for s in range(3000)])
    error = drawn.std(0) / np.sqrt(len(drawn))
    assert (abs(drawn.mean(0) - 1 / 3) < 4 * error).all()
    assert (drawn.std(0) > 0.1).all()


def test_the_draws_are_normal():
    drawn = [_normal(0, step, "a") for step in range(3000)]
    assert stats.kstest(drawn, "norm").pvalue > 0.001


def test_weights_are_the_softmax_of_the_draws():
    found = weights(Random(), tasks="ab", seed=3, step=5)
    odds = np.exp(_normal(3, 5, "a") - _normal(3, 5, "b"))
    assert found["a"] / found["b"] == pytest.approx(odds)
    assert sum(found.values()) == pytest.approx(1)


def test_a_draw_belongs_to_seed_step_and_name():
    keys = [(0, 0, "a"), (1, 0, "a"), (0, 1, "a"), (0, 0, "b")]
    assert len({_normal(*key) for key in keys}) == 4
    both = weights(Random(), tasks="ab", seed=1, step=2)
    three = weights(Random(), tasks="bca", seed=1, step=2)
    assert three["a"] / three["b"] == pytest.approx(both["a"] / both["b"])
