"""IPO and rating difference by hand."""

import math

import pytest
import torch

from judged import at_reference, giving, pair, ranked
from madrigal.objectives import Ipo, RatingDifference


def two(wins=1.0, **columns):
    return list(pair(wins, seed=1, reference=[-4.0, -6.0], lengths=[2, 3], **columns))


OUTPUTS = giving(two(), torch.tensor([-5.0, -6.5], dtype=torch.float64))
ABOVE = -1.0 - -0.5
BY_TOKEN = -1.0 / 2 - -0.5 / 3


def test_the_reference_pays_the_whole_distance():
    rows = two()
    assert Ipo(0.25).loss(rows, at_reference(rows)).item() == pytest.approx((1 / 0.5) ** 2)


def test_ipo():
    assert Ipo(0.5).loss(two(), OUTPUTS).item() == pytest.approx((ABOVE - 1) ** 2)
    assert Ipo(0.5).loss(two(0.0), OUTPUTS).item() == pytest.approx((ABOVE + 1) ** 2)
    mixed = 0.25 * (ABOVE - 1) ** 2 + 0.75 * (ABOVE + 1) ** 2
    assert Ipo(0.5).loss(two(0.25), OUTPUTS).item() == pytest.approx(mixed)


def test_ipo_by_token():
    found = Ipo(0.5, "tokens").loss(two(), OUTPUTS).item()
    assert found == pytest.approx((BY_TOKEN - 1) ** 2)


def test_rating_difference():
    rows = two(math.nan, value=[0.75, 0.25])
    found = RatingDifference(0.3, 4.0).loss(rows, OUTPUTS).item()
    assert found == pytest.approx((0.3 * ABOVE - 4 * 0.5) ** 2)
    assert RatingDifference().count(rows) == 1


def test_answers_without_a_rating_are_left_out():
    values = [0.75, math.nan, 0.25]
    known = [-4.0, -9.0, -6.0]
    rows = list(ranked(2, 0, 1, seed=3, value=values, reference=known, lengths=[2, 2, 3]))
    outputs = giving(rows, torch.tensor([-5.0, -1.0, -6.5], dtype=torch.float64))
    found = RatingDifference(0.3, 4.0).loss(rows, outputs).item()
    assert found == pytest.approx((0.3 * ABOVE - 4 * 0.5) ** 2)
    assert RatingDifference().count(list(ranked(2, 1, value=[0.5, math.nan]))) == 0


def test_what_they_need():
    assert Ipo().needs == RatingDifference().needs == {"logps", "reference"}
