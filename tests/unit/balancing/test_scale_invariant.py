import pytest
import torch

from balancer_view import weights
from madrigal.balancing.scale_invariant import ScaleInvariant

LOSSES = {"a": 0.3, "b": 2.0, "c": 7.0}


def test_weights_are_the_slopes_of_the_mean_logarithm():
    held = torch.tensor(list(LOSSES.values()), dtype=torch.float64, requires_grad=True)
    slopes = torch.autograd.grad(held.log().sum(), held)[0] / 3
    assert list(weights(ScaleInvariant(), LOSSES).values()) == pytest.approx(slopes.tolist())


def test_weighted_losses_do_not_depend_on_their_units():
    for losses in (LOSSES, {"a": 300.0, "b": 0.002, "c": 7.0}):
        found = weights(ScaleInvariant(), losses)
        parts = {task: weight * losses[task] for task, weight in found.items()}
        assert parts == pytest.approx(dict.fromkeys(losses, 1 / 3))


def test_a_loss_of_zero_has_a_finite_weight():
    assert weights(ScaleInvariant(), {"a": 0.0, "b": 1.0}) == pytest.approx({"a": 5e7, "b": 0.5})
