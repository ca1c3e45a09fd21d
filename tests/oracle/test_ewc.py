"""Elastic weight consolidation: its formula by autograd, its minimum in closed form, its sums."""

import pytest
import torch

from madrigal.retention import Ewc, Quadratic
from madrigal.retention.ewc import summed
from madrigal.training.step import compute_gradient
from tiny import LORA, drawn, gradients, model, parts, weights

SHAPES = {"w": (3, 2), "b": (3,)}


def tensors(seed, positive=False):
    chance = torch.Generator().manual_seed(seed)
    found = {n: torch.randn(s, generator=chance, dtype=torch.float64) for n, s in SHAPES.items()}
    return {name: t.abs() for name, t in found.items()} if positive else found


def quadratic(seed):
    return Quadratic(tensors(seed, positive=True), tensors(seed + 100))


def written(theta, parts, strength=1.0):
    """strength / 2 sum_i sum_n F_in (theta_n - theta_in)^2, as the formula is."""
    return strength / 2 * sum(
        (one.fisher[name] * (theta[name] - one.center[name]) ** 2).sum()
        for one in parts
        for name in SHAPES
    )  # fmt: skip


def value(theta, held):
    return held.rest + written(theta, [held])


@pytest.mark.parametrize("strength", [1.0, 2.5])
@pytest.mark.parametrize("stages", [1, 3])
def test_value_and_gradient_are_those_of_the_formula(stages, strength):
    held = [quadratic(seed) for seed in range(stages)]
    theta = {name: torch.nn.Parameter(t) for name, t in tensors(7).items()}
    loss = written(theta, held, strength)
    expected = torch.autograd.grad(loss, list(theta.values()))
    before = {name: torch.randn_like(p) for name, p in theta.items()}
    for name, parameter in theta.items():
        parameter.grad = before[name].clone()
    term = Ewc(theta.items(), summed(held), strength)
    assert term.add_gradient({"a": 1.0}) == pytest.approx(loss.item(), rel=1e-6)
    for (name, parameter), gradient in zip(theta.items(), expected, strict=True):
        torch.testing.assert_close(parameter.grad - before[name], gradient)


def test_at_the_anchor_it_is_nothing():
    held = quadratic(0)
    theta = {name: torch.nn.Parameter(t.clone()) for name, t in held.center.items()}
    for parameter in theta.values():
        parameter.grad = torch.zeros_like(parameter)
    assert Ewc(theta.items(), held, 3.0).add_gradient({}) == 0
    assert not any(p.grad.any() for p in theta.values())


def test_a_parameter_without_a_gradient_is_left_alone():
    held = quadratic(0)
    theta = {name: torch.nn.Parameter(t) for name, t in tensors(7).items()}
    term = Ewc(theta.items(), held, 1.0)
    assert term.add_gradient({}) is None
    theta["b"].grad = torch.zeros_like(theta["b"])
    away = theta["b"] - held.center["b"]
    expected = (held.fisher["b"] * away**2).sum().item() / 2
    assert term.add_gradient({}) == pytest.approx(expected, rel=1e-6)
    assert theta["w"].grad is None


def test_gradient_descent_reaches_the_closed_form_minimum():
    """The new task is a quadratic too, so the minimum of both is a weighted mean of anchors."""
    old, new, strength = quadratic(0), quadratic(1), 4.0
    theta = {name: torch.nn.Parameter(t) for name, t in tensors(7).items()}
    term = Ewc(theta.items(), old, strength)
    largest = max(float((strength * old.fisher[n] + new.fisher[n]).max()) for n in SHAPES)
    optimiser = torch.optim.SGD(theta.values(), lr=1 / largest)
    for _ in range(1500):
        optimiser.zero_grad()
        written(theta, [new]).backward()
        term.add_gradient({})
        optimiser.step()
    for name in SHAPES:
        one, two = strength * old.fisher[name], new.fisher[name]
        minimum = (one * old.center[name] + two * new.center[name]) / (one + two)
        torch.testing.assert_close(theta[name].detach(), minimum, rtol=1e-5, atol=1e-5)


class TestSum:
    @pytest.mark.parametrize("count", [2, 5])
    def test_is_the_sum_everywhere(self, count):
        held = [quadratic(seed) for seed in range(count)]
        both = summed(held)
        for seed in range(20, 26):
            theta = {name: t.requires_grad_() for name, t in tensors(seed).items()}
            apart = written(theta, held)
            together = value(theta, both)
            torch.testing.assert_close(together, apart)
            ours = torch.autograd.grad(together, list(theta.values()))
            theirs = torch.autograd.grad(apart, list(theta.values()))
            torch.testing.assert_close(ours, theirs)

    def test_what_one_does_not_hold_stays_where_the_other_wants_it(self):
        one = Quadratic({"a": torch.tensor([0.0, 2.0, 0.0])}, {"a": torch.tensor([1.0, 2.0, 3.0])})
        two = Quadratic({"a": torch.tensor([3.0, 0.0, 0.0])}, {"a": torch.tensor([4.0, 5.0, 6.0])})
        both = one.plus(two)
        assert both.fisher["a"].tolist() == [3.0, 2.0, 0.0]
        assert both.center["a"].tolist() == [4.0, 2.0, 6.0]
        assert both.rest == 0

    def test_does_not_depend_on_the_order(self):
        held = [quadratic(seed) for seed in range(3)]
        one, two = summed(held), summed(held[::-1])
        for name in SHAPES:
            torch.testing.assert_close(one.fisher[name], two.fisher[name])
            torch.testing.assert_close(one.center[name], two.center[name])
        assert one.rest == pytest.approx(two.rest)

    def test_two_of_the_same_are_twice_it(self):
        held = quadratic(0)
        both = held.plus(held)
        assert both.rest == pytest.approx(0, abs=1e-12)
        for name in SHAPES:
            torch.testing.assert_close(both.fisher[name], 2 * held.fisher[name])
            torch.testing.assert_close(both.center[name], held.center[name])


def test_online_by_hand():
    """Three stages with decay 1/2: F = F1 / 4 + F2 / 2 + F3, around the last weights."""
    held = [quadratic(seed) for seed in range(3)]
    running = held[0].moved(0.5, held[1]).moved(0.5, held[2])
    for name in SHAPES:
        one, two, three = (q.fisher[name] for q in held)
        torch.testing.assert_close(running.fisher[name], one / 4 + two / 2 + three)
        assert torch.equal(running.center[name], held[2].center[name])
    assert running.rest == 0


@pytest.mark.parametrize("adapter", [None, LORA], ids=["full", "lora"])
@pytest.mark.parametrize("limit", [30, 4096], ids=["many passes", "one pass"])
def test_it_is_added_once_to_a_step(adapter, limit):
    held = model("llama", adapter)
    torch.manual_seed(5)
    fisher = {name: torch.rand_like(p) for name, p in held.trainable()}
    center = {name: p + 0.1 * torch.randn_like(p) for name, p in weights(held).items()}
    pull = Quadratic(fisher, center)
    compute_gradient(parts(held, microbatch_tokens=limit), 3, drawn(a=4, b=2))
    plain = gradients(held)
    held.network.zero_grad(set_to_none=True)
    term = Ewc(held.trainable(), pull, 0.5)
    got = compute_gradient(parts(held, microbatch_tokens=limit, terms=(term,)), 3, drawn(a=4, b=2))
    expected = 0.0
    for name, gradient in gradients(held).items():
        away = dict(held.trainable())[name].detach() - center[name]
        expected += 0.25 * float((fisher[name] * away**2).sum())
        torch.testing.assert_close(gradient, plain[name] + 0.5 * fisher[name] * away)
    assert got.terms == {"ewc": pytest.approx(expected, rel=1e-5)}
    assert set(got.retention_seconds) == {"ewc"}
