import math

import pytest

from balancer_view import view, weights
from madrigal.balancing.imtl_l import ImtlL
from madrigal.balancing.uncertainty import Uncertainty

LOSSES = {"a": 0.2, "b": 1.0, "c": 5.0}


def scale(balancer, task):
    return weights(balancer, tasks=[task])[task]


def test_scaled_losses_become_equal():
    balancer = ImtlL(0.01)
    assert weights(balancer, tasks="ab") == {"a": 0.5, "b": 0.5}
    for step in range(2000):
        balancer.update(view(LOSSES, step))
    scaled = {task: weights(balancer, LOSSES)[task] * loss for task, loss in LOSSES.items()}
    assert scaled == pytest.approx(dict.fromkeys(LOSSES, 1 / 3), rel=1e-4)


def test_the_first_step_goes_down_the_slope_of_the_paper():
    balancer = ImtlL(0.01)
    balancer.update(view(LOSSES))
    # L - 1 at s = 0: down for a loss above 1, up below.
    expected = {"a": 0.01, "b": 0.0, "c": -0.01}
    for task, value in expected.items():
        assert math.log(scale(balancer, task)) == pytest.approx(value, abs=1e-8)


def test_an_absent_task_keeps_its_scale():
    balancer = ImtlL(0.01)
    balancer.update(view(LOSSES))
    kept = scale(balancer, "c")
    for step in range(1, 9):
        balancer.update(view({"a": 3.0}, step))
    assert scale(balancer, "c") == kept


def test_a_loss_of_nothing_leaves_the_weights_finite():
    balancer = ImtlL(1.0)
    for step in range(2000):
        balancer.update(view({"a": 0.0, "b": 1.0}, step))
    assert scale(balancer, "a") == pytest.approx(1e8, rel=0.5)


def test_is_uncertainty_by_another_name():
    one, other = ImtlL(0.01), Uncertainty(0.01)
    for step in range(200):
        losses = {task: loss * (1 + 0.3 * math.sin(step)) for task, loss in LOSSES.items()}
        assert weights(one, LOSSES) == pytest.approx(weights(other, LOSSES), rel=1e-5)
        for balancer in (one, other):
            balancer.update(view(losses, step))
