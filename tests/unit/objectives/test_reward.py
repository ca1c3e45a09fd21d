import math
from dataclasses import replace

import pytest
import torch

from judged import flat, pair, ranked, said
from madrigal.objectives import Reward

PLAIN = Reward(centring=0.0)


def softplus(x):
    return math.log1p(math.exp(x))


def scored(rows, *scores):
    columns = [s if isinstance(s, tuple) else (s,) for s in scores]
    return replace(said(rows), scores=torch.tensor(columns, dtype=torch.float64))


def two(wins=1.0, **columns):
    return list(pair(wins, seed=1, **columns))


def loss(objective, rows, *scores):
    return objective.loss(rows, scored(rows, *scores)).item()


def test_bradley_terry():
    assert loss(PLAIN, two(), 1.5, 0.5) == pytest.approx(softplus(-1))
    assert loss(PLAIN, two(0.0), 1.5, 0.5) == pytest.approx(softplus(1))
    assert loss(PLAIN, two(0.5), 1.5, 0.5) == pytest.approx((softplus(1) + softplus(-1)) / 2)
    assert loss(PLAIN, two(), 0.0, 0.0) == pytest.approx(math.log(2))


def test_margin():
    rows = two(margin=[0.8, 0.8])
    assert loss(replace(PLAIN, margin=0.5), rows, 1.5, 0.5) == pytest.approx(softplus(-(1 - 0.4)))
    assert loss(replace(PLAIN, margin=0.0), rows, 1.5, 0.5) == pytest.approx(softplus(-1))
    lower = two(0.0, margin=[0.8, 0.8])
    assert loss(PLAIN, lower, 1.5, 0.5) == pytest.approx(softplus(1 + 0.8))


def test_centring():
    assert loss(Reward(centring=0.1), two(), 1.5, 0.5) == pytest.approx(softplus(-1) + 0.1 * 4)


def test_smoothing_and_flips():
    right, wrong = softplus(-1), softplus(1)
    smooth, robust = replace(PLAIN, smoothing=0.1), replace(PLAIN, flip_rate=0.1)
    assert loss(smooth, two(), 1.5, 0.5) == pytest.approx(0.9 * right + 0.1 * wrong)
    assert loss(robust, two(), 1.5, 0.5) == pytest.approx((0.9 * right - 0.1 * wrong) / 0.8)


def test_soft_labels_from_ratings():
    p = 1 / (1 + math.exp(-4 * 0.5 / 2.5))
    rows = two(1.0, value=[0.75, 0.25])
    found = loss(replace(PLAIN, temperature=2.5, scale=4.0), rows, 1.5, 0.5)
    assert found == pytest.approx(p * softplus(-1) + (1 - p) * softplus(1))
    assert loss(PLAIN, rows, 1.5, 0.5) == pytest.approx(softplus(-1))


def test_regression_on_ratings():
    objective = Reward(compare=0.0, regress=0.5, scale=4.0)
    rows = flat([ranked(1, 2, 3, value=[0.5, math.nan, 1.0]), ranked(1, seed=2, value=[0.0])])
    found = loss(objective, rows, 1.0, 9.0, 3.5, -0.5)
    assert found == pytest.approx(0.5 * ((1 + 0.25) / 2 + 0.25))
    assert objective.count(rows) == 2
    assert objective.count(two(value=[math.nan] * 2)) == 0


def test_both_together():
    rows = two(value=[1.0, 0.0])
    objective = Reward(compare=0.7, regress=0.2, centring=0.0)
    mean = (0.5**2 + 0.5**2) / 2
    assert loss(objective, rows, 1.5, 0.5) == pytest.approx(0.7 * softplus(-1) + 0.2 * mean)


def test_an_example_counts_once():
    rows = flat([pair(1.0, seed=1, value=[1.0, 0.0]), ranked(1, seed=2, value=[0.4])])
    assert PLAIN.count(rows) == 1
    assert Reward(regress=1.0).count(rows) == 2
    rated = two(math.nan, value=[1.0, 0.0])
    assert (PLAIN.count(rated), Reward(temperature=1.0).count(rated)) == (0, 1)


def test_needs():
    assert Reward().needs == {"scores"}
    assert Reward().heads == 1
    assert Reward(length_debias=1.0).heads == 2


def test_without_scores_or_with_too_few_it_says_so():
    with pytest.raises(ValueError, match="needs 1 scores a row, and the model gave none"):
        Reward().loss(two(), replace(said(two()), scores=None))
    with pytest.raises(ValueError, match="needs 2 scores a row, and the model gave 1"):
        Reward(length_debias=1.0).loss(two(), said(two()))


def test_only_length_debiasing_asks_for_a_survey():
    examples = [tuple(two()), ranked(1, 2, 3)]
    assert Reward().survey_rows(examples, 64) == ()
    assert Reward().survey([], said([])).shape == (0,)
    debiased = Reward(length_debias=1.0)
    assert debiased.survey_rows(examples, 64) == tuple(flat(examples))
    nothing = debiased.survey([], replace(said([]), scores=None))
    some = debiased.survey(two(), said(two(), heads=2))
    assert nothing.shape == some.shape
    assert nothing.dtype == some.dtype
    assert not nothing.any()
    with pytest.raises(ValueError, match="needs a survey of the step"):
        Reward(length_debias=1.0).loss(two(), said(two(), heads=2))
