import pytest

from balancer_view import weights
from madrigal.balancing.fixed import Fixed


def test_ratios_are_those_given_and_the_mean_is_that_of_equal_weights():
    found = weights(Fixed({"a": 10.0, "b": 30.0, "c": 20.0}), tasks="abc")
    assert found == pytest.approx({"a": 1 / 6, "b": 3 / 6, "c": 2 / 6})


def test_a_task_alone_in_a_step_still_has_its_weight():
    fixed = Fixed({"a": 1.0, "b": 3.0})
    assert weights(fixed, tasks="a")["a"] == pytest.approx(0.5)
    assert weights(fixed, tasks="b")["b"] == pytest.approx(1.5)


def test_a_weight_of_zero_leaves_a_task_out():
    assert weights(Fixed({"a": 0.0, "b": 2.0}), tasks="ab") == pytest.approx({"a": 0.0, "b": 1.0})


def test_the_tasks_own_weights_multiply():
    found = weights(Fixed({"a": 1.0, "b": 1.0}), tasks="ab", task_weights={"a": 3.0})
    assert found == pytest.approx({"a": 1.5, "b": 0.5})


def test_a_replayed_task_counts_as_the_mean():
    found = weights(Fixed({"a": 1.0, "b": 3.0}), tasks=("a", "b", "old"))
    assert found == pytest.approx({"a": 0.5 / 3, "b": 1.5 / 3, "old": 1 / 3})
