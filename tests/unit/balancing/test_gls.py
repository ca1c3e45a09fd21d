import pytest
import torch

from balancer_view import weights
from madrigal.balancing.gls import Gls

LOSSES = {"a": 0.3, "b": 2.0, "c": 7.0}


def test_weights_are_the_slopes_of_the_geometric_mean():
    held = torch.tensor(list(LOSSES.values()), dtype=torch.float64, requires_grad=True)
    slopes = torch.autograd.grad(held.prod() ** (1 / 3), held)[0]
    assert list(weights(Gls(), LOSSES).values()) == pytest.approx(slopes.tolist())


def test_equal_losses_give_equal_weights():
    assert weights(Gls(), {"a": 0.7, "b": 0.7}) == pytest.approx({"a": 0.5, "b": 0.5})


def test_other_units_of_one_loss_change_its_ratio_alone():
    before, after = weights(Gls(), LOSSES), weights(Gls(), LOSSES | {"c": 7000.0})
    assert after["a"] / after["b"] == pytest.approx(before["a"] / before["b"])
    assert after["a"] / after["c"] == pytest.approx(1000 * before["a"] / before["c"])


def test_one_task_is_plain_training():
    assert weights(Gls(), {"a": 0.3}) == pytest.approx({"a": 1.0})
