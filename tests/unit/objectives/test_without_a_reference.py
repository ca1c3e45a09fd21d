"""ORPO and SimPO by hand."""

import math
from dataclasses import replace

import pytest
import torch

from judged import giving, pair
from madrigal.objectives import Orpo, Simpo


def softplus(x):
    return math.log1p(math.exp(x))


def two(wins):
    """Answers of two and three tokens; nothing is known of a reference."""
    return list(pair(wins, seed=1, lengths=[2, 3], reference=[math.nan] * 2))


OUTPUTS = giving(two(1.0), torch.tensor([-5.0, -6.0], dtype=torch.float64))
MEANS = (-2.5, -2.0)


def loss(objective, wins=1.0, outputs=OUTPUTS):
    return objective.loss(two(wins), outputs).item()


def test_orpo():
    log_odds = [m - math.log(1 - math.exp(m)) for m in MEANS]
    h = log_odds[0] - log_odds[1]
    assert loss(Orpo(0.3)) == pytest.approx(2.5 + 0.3 * softplus(-h))
    assert loss(Orpo(0.3), 0.0) == pytest.approx(2.0 + 0.3 * softplus(h))
    assert loss(Orpo(0.0)) == pytest.approx(2.5)


@pytest.mark.parametrize("mean", [-30.0, -0.7, -0.69, -1e-4])
def test_odds_keep_their_digits(mean):
    both = torch.tensor([2 * mean, -3.0], dtype=torch.float64)
    exact = mean - math.log(-math.expm1(mean)) - (-1 - math.log(-math.expm1(-1)))
    found = loss(Orpo(1.0), outputs=giving(two(1.0), both)) + mean
    assert found == pytest.approx(softplus(-exact), rel=1e-9)


def test_a_certain_answer_has_no_infinite_odds():
    sure = giving(two(1.0), torch.tensor([0.0, -3.0]).requires_grad_())
    totals = torch.tensor([0.0, -3.0]).requires_grad_()
    value = Orpo(1.0).loss(two(0.0), giving(two(0.0), totals))
    (gradient,) = torch.autograd.grad(value, totals)
    assert math.isfinite(value.item())
    assert gradient.isfinite().all()
    assert Orpo(1.0).loss(two(1.0), sure).item() == pytest.approx(0.0, abs=1e-5)


def test_simpo():
    h = 3.0 * (MEANS[0] - MEANS[1])
    assert loss(Simpo(3.0, 0.5)) == pytest.approx(softplus(-(h - 0.5)))
    assert loss(Simpo(3.0, 0.5), 0.0) == pytest.approx(softplus(h + 0.5))
    mixed = 0.25 * softplus(-(h - 0.5)) + 0.75 * softplus(h + 0.5)
    assert loss(Simpo(3.0, 0.5), 0.25) == pytest.approx(mixed)


def test_no_reference_is_asked_for():
    assert Orpo().needs == Simpo().needs == {"logps"}
    rows = [replace(row, judged=replace(row.judged, value=0.5)) for row in two(1.0)]
    assert Orpo().count(rows) == Simpo().count(rows) == 1
