import math

import pytest

from balancer_view import view, weights
from madrigal.balancing.uncertainty import Uncertainty

LOSSES = {"a": 0.2, "b": 1.0, "c": 5.0}


def log_variance(balancer, task):
    """Read off the weight exp(-s) / K."""
    return -math.log(weights(balancer, tasks=[task])[task])


def test_starts_as_equal_weights():
    assert weights(Uncertainty(0.025), tasks="ab") == {"a": 0.5, "b": 0.5}


def test_log_variances_come_to_rest_at_the_logarithms_of_the_losses():
    balancer = Uncertainty(0.01)
    for step in range(2000):
        balancer.update(view(LOSSES, step))
    for task, loss in LOSSES.items():
        assert log_variance(balancer, task) == pytest.approx(math.log(loss), abs=1e-4)


def test_the_first_step_goes_down_the_slope_of_the_paper():
    balancer = Uncertainty(0.01)
    balancer.update(view(LOSSES))
    # (1 - L) / 2 at s = 0: up for a loss above 1, down below; a first step of Adam is its rate.
    assert log_variance(balancer, "a") == pytest.approx(-0.01, rel=1e-6)
    assert log_variance(balancer, "b") == pytest.approx(0, abs=1e-12)
    assert log_variance(balancer, "c") == pytest.approx(0.01, rel=1e-6)


def test_an_absent_task_keeps_its_own():
    balancer = Uncertainty(0.01)
    balancer.update(view(LOSSES))
    kept = log_variance(balancer, "c")
    for step in range(1, 9):
        balancer.update(view({"a": 3.0}, step))
    assert log_variance(balancer, "c") == kept


@pytest.mark.parametrize("loss", [0.0, -1.0])
def test_a_loss_of_nothing_leaves_the_weights_finite(loss):
    balancer = Uncertainty(1.0)
    for step in range(2000):
        balancer.update(view({"a": loss, "b": 1.0}, step))
    assert weights(balancer, tasks="a")["a"] == pytest.approx(1e8, rel=0.5)


def test_a_loss_that_is_no_number_changes_nothing():
    balancer = Uncertainty(0.01)
    balancer.update(view({"a": math.nan, "b": math.inf}))
    assert balancer.state_dict() == {}
