import math
from itertools import combinations

import pytest
import torch

from judged import flat, pair, ranked
from madrigal.objectives.pairs import (
    compared_examples,
    logistic,
    pairs_of,
    rated_examples,
    rated_pairs_of,
    softened_pairs_of,
    targets,
)
from tiny import row

LIKE = torch.zeros((), dtype=torch.float64)
EXAMPLES = [
    pair(1.0, value=[0.9, math.nan]),
    ranked(2, None, 2, 5, value=[0.2, 0.4, math.nan, 1.0]),
    ranked(1, value=[0.3]),
    pair(math.nan, value=[0.5, 0.1]),
    ranked(None, None, 3, value=[math.nan] * 3),
    pair(0.25, value=[math.nan] * 2),
]
ROWS = flat(EXAMPLES)


def listed(pairs):
    columns = (pairs.first, pairs.second, pairs.wins, pairs.weight)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def naive(use):
    """One pair after another; `use` says what its chance is, nan for one that is not used."""
    found, start = [], 0
    for example in EXAMPLES:
        some = [
            (start + i, start + j, use(example[i].judged, example[j].judged))
            for i, j in combinations(range(len(example)), 2)
        ]
        some = [one for one in some if not math.isnan(one[2])]
        found += [(*one, 1 / len(some)) for one in some]
        start += len(example)
    return found


def test_those_that_were_compared():
    expected = naive(lambda one, other: one.wins[other.place])
    assert listed(pairs_of(ROWS, LIKE)) == expected
    assert [wins for _, _, wins, _ in expected] == [1.0, 0.5, 0.0, 0.0, 0.25]
    assert compared_examples(ROWS).tolist() == [0, 2, 12]


def test_those_that_were_rated():
    pairs = rated_pairs_of(ROWS, LIKE)
    expected = naive(lambda one, other: one.value + other.value)
    assert [(i, j, w) for i, j, _, w in listed(pairs)] == [(i, j, w) for i, j, _, w in expected]
    assert rated_examples(ROWS).tolist() == [2, 7]


def test_chances_from_ratings_where_there_are_any():
    def use(one, other):
        soft = 1 / (1 + math.exp(-(one.value - other.value) / 0.2))
        return one.wins[other.place] if math.isnan(soft) else soft

    expected = [pytest.approx(one) for one in naive(use)]
    assert listed(softened_pairs_of(ROWS, LIKE, 0.2)) == expected
    assert len(expected) == 8


def test_far_apart_ratings_do_not_overflow():
    (example,) = [pair(0.5, value=[1.0, 0.0])]
    assert softened_pairs_of(list(example), LIKE, 1e-6).wins.item() == 1.0


def test_numbers_are_like_the_models():
    pairs = pairs_of(ROWS, torch.zeros((), dtype=torch.float32))
    assert pairs.wins.dtype == pairs.weight.dtype == torch.float32
    assert pairs.first.dtype == torch.int64


def test_each_example_weighs_one():
    pairs = pairs_of(ROWS, LIKE)
    assert pairs.mean(torch.ones_like(pairs.wins)).item() == pytest.approx(3)


def test_no_rows_no_pairs():
    assert listed(pairs_of([], LIKE)) == []
    assert len(compared_examples([])) == 0
    assert len(rated_examples([])) == 0


@pytest.mark.parametrize(
    "rows",
    [
        EXAMPLES[1][1:],  # the first answer is missing
        EXAMPLES[1][:2],  # the last ones are
        EXAMPLES[1][::-1],
        (EXAMPLES[0][0], *EXAMPLES[1], EXAMPLES[0][1]),
        (EXAMPLES[0][0], EXAMPLES[0][0]),
    ],
)
def test_an_example_that_was_torn_apart_is_refused(rows):
    with pytest.raises(ValueError, match="must stand together, in order of their place"):
        pairs_of(list(rows), LIKE)


def test_a_row_without_feedback_is_refused():
    with pytest.raises(ValueError, match="needs feedback, and a row has none"):
        pairs_of([row(5, 2)], LIKE)


def test_targets():
    wins = torch.tensor([1.0, 0.0, 0.5, 0.75], dtype=torch.float64)
    assert targets(wins).tolist() == wins.tolist()
    assert targets(wins, smoothing=0.1).tolist() == pytest.approx([0.9, 0.1, 0.5, 0.7])
    assert targets(wins, flip_rate=0.25).tolist() == pytest.approx([1.5, -0.5, 0.5, 1.0])


def test_flips_are_undone_on_average():
    wins, rate = torch.tensor([1.0, 0.3, 0.5]), 0.2
    flipped = (1 - rate) * targets(wins, 0.0, rate) + rate * targets(1 - wins, 0.0, rate)
    torch.testing.assert_close(flipped, wins)


def test_logistic():
    above = torch.tensor([0.0, 2.0, 2.0, 200.0, -200.0])
    wins = torch.tensor([1.0, 1.0, 0.25, 1.0, 1.0])
    found = logistic(above, -above, wins).tolist()
    one, other = math.log1p(math.exp(-2)), math.log1p(math.exp(2))
    expected = [math.log(2), one, 0.25 * one + 0.75 * other, 0.0, 200.0]
    assert found == pytest.approx(expected)
