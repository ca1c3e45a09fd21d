"""From the rows' Gramian to the tasks': worked out by hand on explicit rows."""

import pytest
import torch

from madrigal.gradients.conflict import conflict
from madrigal.gradients.gramian import Units, cosines, row_weights, signals, task_gramian

# Rows: a first, a second, b first, b second, c first, c second; c has no second half.
ROWS = torch.tensor(
    [[1.0, 0.0], [3.0, 2.0], [-2.0, 0.0], [0.0, 4.0], [0.0, -6.0], [0.0, 0.0]],
    dtype=torch.float64,
)
RAW = ROWS @ ROWS.T


def units(*tasks):
    counts = {0: (1.0, 1.0), 1: (1.0, 3.0), 2: (2.0, 0.0)}
    return Units(tasks, torch.tensor([counts[t] for t in tasks], dtype=torch.float64))


def test_tasks_are_means_over_both_halves():
    means = torch.tensor([[2.0, 1.0], [-0.5, 1.0], [0.0, -3.0]], dtype=torch.float64)
    torch.testing.assert_close(task_gramian(RAW, units(0, 1, 2)), means @ means.T)


def test_only_present_tasks_and_in_their_order():
    means = torch.tensor([[0.0, -3.0], [2.0, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(task_gramian(RAW, units(2, 0)), means @ means.T)


def test_signals_multiply_the_halves_means():
    found = signals(RAW, units(0, 1, 2))
    assert found[:2].tolist() == [3.0, 0.0]
    assert found[2].isnan()


def test_signal_is_unbiased_and_the_squared_norm_is_not():
    """Mean gradient (1, 0), noise of variance 4 in each of 10 directions, 8 examples."""
    chance = torch.Generator().manual_seed(0)
    truth = torch.zeros(10, dtype=torch.float64)
    truth[0] = 1.0
    noise = torch.randn(4000, 2, 4, 10, generator=chance, dtype=torch.float64)
    halves = (truth + 2 * noise).sum(2)
    count = Units((0,), torch.tensor([[4.0, 4.0]], dtype=torch.float64))
    raw = [half @ half.T for half in halves]
    signal = torch.stack([signals(one, count)[0] for one in raw])
    norm = torch.stack([task_gramian(one, count)[0, 0] for one in raw])
    assert signal.mean() == pytest.approx(1.0, abs=4 * float(signal.std()) / 4000**0.5)
    assert norm.mean() == pytest.approx(1.0 + 10 * 4 / 8, rel=0.05)


def test_a_task_without_trained_tokens_weighs_nothing_and_divides_by_nothing():
    empty = Units((0, 1), torch.tensor([[1.0, 1.0], [0.0, 0.0]], dtype=torch.float64))
    raw = RAW.clone()
    raw[2:4] = 0
    raw[:, 2:4] = 0
    found = task_gramian(raw, empty)
    assert found[1].tolist() == [0.0, 0.0]
    torch.testing.assert_close(cosines(found), torch.diag(torch.tensor([1.0, 0.0])).double())


def test_row_weights_divide_by_the_whole_count():
    spread = row_weights(torch.tensor([2.0, -1.0]), units(1, 2), 6)
    assert spread.tolist() == [0.0, 0.0, 0.5, 0.5, -0.5, -0.5]


def test_conflict_rate_is_the_share_of_negative_pairs():
    found = conflict(("a", "b", "c"), RAW, units(0, 1, 2), "raw", {})
    assert list(found.angles.cosine) == ["a|b", "a|c", "b|c"]
    assert found.angles.cosine["a|b"] == 0.0
    assert found.rate == 2 / 3
    assert found.angles.norm["c"] == 3.0
    assert set(found.angles.signal) == {"a", "b"}


def test_a_single_task_has_no_pairs():
    found = conflict(("a",), RAW, units(0), "raw", {})
    assert (found.rate, found.angles.cosine) == (0.0, {})
