import math
from dataclasses import replace

import pytest
import torch

from judged import at_reference, flat, giving, pair, ranked, said
from madrigal.objectives import Dpo

PAIR = list(pair(1.0, seed=1, reference=[-4.0, -6.0], lengths=[2, 3]))
OUTPUTS = giving(PAIR, torch.tensor([-5.0, -6.5], dtype=torch.float64))
RATIOS = (-1.0, -0.5)
NLL = 5.0 / 2  # of the better answer by token


def softplus(x):
    return math.log1p(math.exp(x))


def loss(objective, rows=PAIR, outputs=OUTPUTS):
    return objective.loss(rows, outputs).item()


def test_the_reference_itself_costs_ln_2():
    rows = flat([PAIR, ranked(3, 1, 2, seed=2), pair(0.2, seed=3)])
    for changes in ({}, {"smoothing": 0.1}, {"flip_rate": 0.2}, {"normalise": "tokens"}):
        objective = Dpo(**changes)
        mean = objective.loss(rows, at_reference(rows)) / objective.count(rows)
        assert mean.item() == pytest.approx(math.log(2), abs=1e-6)


def test_by_hand():
    h = 0.3 * (RATIOS[0] - RATIOS[1])
    assert loss(Dpo(beta=0.3)) == pytest.approx(softplus(-h))
    assert loss(Dpo(beta=0.3), list(pair(0.0, 1, reference=[-4.0, -6.0], lengths=[2, 3]))) == (
        pytest.approx(softplus(h))
    )


def test_smoothing_and_flips():
    h = 0.3 * (RATIOS[0] - RATIOS[1])
    right, wrong = softplus(-h), softplus(h)
    assert loss(Dpo(0.3, smoothing=0.1)) == pytest.approx(0.9 * right + 0.1 * wrong)
    assert loss(Dpo(0.3, flip_rate=0.1)) == pytest.approx((0.9 * right - 0.1 * wrong) / 0.8)


def test_by_token():
    h = 0.3 * (RATIOS[0] / 2 - RATIOS[1] / 3)
    assert loss(Dpo(0.3, normalise="tokens")) == pytest.approx(softplus(-h))


def test_likelihood_of_the_better_answer():
    assert loss(Dpo(0.3, likelihood=0.5)) == pytest.approx(loss(Dpo(0.3)) + 0.5 * NLL)
    worse = list(pair(0.0, seed=1, reference=[-4.0, -6.0], lengths=[2, 3]))
    given = loss(Dpo(0.3, likelihood=1.0), worse) - loss(Dpo(0.3), worse)
    assert given == pytest.approx(6.5 / 3)


def test_dpop_counts_the_drop_of_the_better_answer():
    h = 0.3 * (RATIOS[0] - RATIOS[1] - 4.0 * 1.0)
    assert loss(Dpo(0.3, dpop=4.0)) == pytest.approx(softplus(-h))
    worse = list(pair(0.0, seed=1, reference=[-4.0, -6.0], lengths=[2, 3]))
    h = 0.3 * (RATIOS[1] - RATIOS[0] - 4.0 * 0.5)  # the better one is the second
    assert loss(Dpo(0.3, dpop=4.0), worse) == pytest.approx(softplus(-h))
    risen = giving(PAIR, torch.tensor([-3.0, -6.5], dtype=torch.float64))
    assert loss(Dpo(0.3, dpop=4.0), PAIR, risen) == pytest.approx(loss(Dpo(0.3), PAIR, risen))


def test_what_it_needs():
    assert Dpo().needs == {"logps", "reference"}


def test_a_missing_reference_is_an_error():
    rows = [PAIR[0], replace(PAIR[1], judged=replace(PAIR[1].judged, reference=math.nan))]
    with pytest.raises(ValueError, match="log-probability of each row under a reference"):
        Dpo().loss(rows, said(rows))


def test_pairs_that_were_not_compared_do_not_count():
    rows = flat([PAIR, pair(math.nan, seed=5)])
    assert Dpo().count(rows) == 1
    assert loss(Dpo(), rows, said(rows)) == pytest.approx(loss(Dpo(), PAIR, said(PAIR)))
