import pytest
import torch

from balancer_view import view, weights
from madrigal.balancing.stch import Stch

WARM = [{"a": 3.0, "b": 8.0, "c": 1.0}, {"a": 5.0, "b": 12.0, "c": 1.0}]
NADIR = {"a": 4.0, "b": 10.0, "c": 1.0}
NOW = {"a": 2.0, "b": 7.0, "c": 0.4}


def warmed(smoothing=0.2, ideal=None, warmup=2):
    balancer = Stch(smoothing, warmup, ideal or {})
    for step, losses in enumerate(WARM):
        balancer.update(view(losses, step))
    return balancer


def test_equal_during_the_warm_up():
    third = pytest.approx(dict.fromkeys("abc", 1 / 3))
    assert weights(Stch(0.2, 2, {}), WARM[0], step=0) == third
    assert weights(warmed(), NOW, step=1) == third


@pytest.mark.parametrize(
    "ideal", [{}, {"a": 1.0, "c": 0.3}, {"a": 3.99}], ids=["zero", "given", "at the nadir"]
)
@pytest.mark.parametrize("smoothing", [0.05, 0.2, 5.0])
def test_weights_are_the_slopes_of_the_smooth_maximum(ideal, smoothing):
    losses = torch.tensor(list(NOW.values()), dtype=torch.float64, requires_grad=True)
    best = torch.tensor([ideal.get(task, 0.0) for task in NOW], dtype=torch.float64)
    nadir = torch.tensor(list(NADIR.values()), dtype=torch.float64)
    span = torch.maximum(nadir - best, nadir / 100)
    maximum = smoothing * ((losses - best) / span / smoothing).exp().sum().log()
    slopes = torch.autograd.grad(maximum, losses)[0] / (1 / span).mean()
    found = weights(warmed(smoothing, ideal), NOW, step=2)
    assert list(found.values()) == pytest.approx(slopes.tolist())


def test_at_the_nadir_the_weights_sum_to_one():
    found = weights(warmed(), NADIR, step=2)
    assert sum(found.values()) == pytest.approx(1)
    assert found["a"] / found["b"] == pytest.approx(10 / 4)


def test_a_small_smoothing_follows_the_worst_task():
    found = weights(warmed(smoothing=0.001), NOW, step=2)
    assert found["b"] > 0.1  # 7 of 10 is worse than 2 of 4 and 0.4 of 1
    assert found["a"] == pytest.approx(0)
    assert found["c"] == pytest.approx(0)


def test_the_nadir_is_fixed_after_the_warm_up():
    balancer = warmed()
    before = weights(balancer, NOW, step=2)
    balancer.update(view({"a": 100.0, "b": 0.1, "c": 50.0}, 2))
    assert weights(balancer, NOW, step=3) == before


def test_a_late_task_takes_its_first_loss_as_nadir():
    balancer = warmed()
    late = {"b": 10.0, "d": 6.0}
    first = weights(balancer, late, step=2)
    assert first["b"] / first["d"] == pytest.approx(6 / 10)  # both at their nadirs
    balancer.update(view(late, 2))
    balancer.update(view({"d": 3.0}, 3))
    assert weights(balancer, late, step=4) == pytest.approx(first)


def test_an_ideal_above_the_nadir_does_not_turn_the_weights():
    found = weights(warmed(ideal={"a": 9.0}), NOW, step=2)
    assert all(0 <= weight < 1.1 for weight in found.values())
