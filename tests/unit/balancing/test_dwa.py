import math

import pytest

from balancer_view import view, weights
from madrigal.balancing.dwa import Dwa


def after(rounds, window=3, temperature=2.0):
    """A balancer that saw `rounds`: a step each, losses by task."""
    balancer = Dwa(window, temperature)
    for step, losses in enumerate(rounds):
        if losses:
            balancer.update(view(losses, step))
    return balancer


HIGH, LOW, SLOW = {"a": 4.0, "b": 2.0}, {"a": 1.0, "b": 1.0}, {"a": 2.0, "b": 2.0}


def test_two_whole_windows_give_the_ratio_of_their_means():
    rounds = [{"a": 3.0, "b": 1.0}, {"a": 4.0, "b": 2.0}, {"a": 5.0, "b": 3.0}, LOW, LOW, SLOW]
    found = weights(after(rounds), tasks="ab", step=6)
    rates = {"a": (4 / 3) / 4, "b": (4 / 3) / 2}
    total = sum(math.exp(rate / 2.0) for rate in rates.values())
    assert found == pytest.approx({t: math.exp(r / 2.0) / total for t, r in rates.items()})
    assert found["b"] > found["a"]


def test_equal_until_two_windows_are_over():
    balancer = after([HIGH] * 3 + [LOW] * 2)
    assert weights(balancer, tasks="ab", step=5) == pytest.approx({"a": 0.5, "b": 0.5})


def test_an_open_window_does_not_count():
    balancer = after([HIGH] * 3 + [LOW] * 3)
    before = weights(balancer, tasks="ab", step=6)
    balancer.update(view({"a": 100.0, "b": 0.01}, 6))
    assert weights(balancer, tasks="ab", step=7) == before


def test_a_large_temperature_makes_weights_equal():
    hot = weights(after([HIGH] * 3 + [LOW] * 3, temperature=1e6), tasks="ab", step=6)
    assert hot == pytest.approx({"a": 0.5, "b": 0.5}, abs=1e-5)


def test_a_mean_is_over_the_steps_in_which_the_task_was_there():
    rounds = [{"a": 4.0, "b": 1.0}, {"b": 1.0}, {"b": 1.0}, *[{"a": 2.0, "b": 1.0}] * 3]
    found = weights(after(rounds), tasks="ab", step=6)
    assert found["a"] / found["b"] == pytest.approx(math.exp((0.5 - 1.0) / 2))


def test_an_absent_task_keeps_its_windows():
    rounds = [HIGH] * 3 + [LOW] * 3 + [{"a": 1.0}] * 6
    found = weights(after(rounds), tasks="ab", step=12)
    assert found["b"] / found["a"] == pytest.approx(math.exp((0.5 - 1.0) / 2))


def test_a_task_alone_in_a_step_has_its_weight():
    balancer = after([HIGH] * 3 + [LOW] * 3)
    both = weights(balancer, tasks="ab", step=6)
    assert weights(balancer, tasks="a", step=6)["a"] == pytest.approx(2 * both["a"])


def test_a_task_that_is_met_for_the_first_time_counts_as_one_that_stands_still():
    found = weights(after([HIGH] * 3 + [LOW] * 3), tasks="bc", step=6)
    assert found["c"] / found["b"] == pytest.approx(math.exp((1.0 - 0.5) / 2))
    assert weights(after([]), tasks="abc", step=0) == pytest.approx(dict.fromkeys("abc", 1 / 3))
