"""Merging against numbers made by hand and against peft's own."""

import pytest
import torch
from peft.utils import merge_utils

from madrigal.retention.merge import arithmetic, average, change, interpolate, moved, ties


def named(*values):
    return {name: torch.tensor(value) for name, value in zip("ab", values, strict=False)}


def random(seed, shapes=((7, 5), (11,))):
    chance = torch.Generator().manual_seed(seed)
    return {n: torch.randn(s, generator=chance) for n, s in zip("ab", shapes, strict=True)}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor)


def test_change_and_move_by_hand():
    start, end = named([1.0, 2.0], [3.0]), named([2.0, 0.0], [3.5])
    by = change(start, end)
    assert_same(by, named([1.0, -2.0], [0.5]))
    assert_same(moved(start, by, 1.0), end)
    assert_same(moved(start, by, 0.5), named([1.5, 1.0], [3.25]))


def test_average_and_sum_by_hand():
    changes = [named([1.0, -2.0]), named([3.0, 4.0]), named([-1.0, 1.0])]
    assert_same(average(changes), named([1.0, 1.0]))
    assert_same(arithmetic(changes), named([3.0, 3.0]))


@pytest.mark.parametrize("back", [0.25, 0.5, 0.9])
def test_interpolation_by_hand(back):
    start, end = named([1.0, 2.0]), named([3.0, -2.0])
    expected = named([3 - 2 * back, -2 + 4 * back])
    assert_same(interpolate(start, end, back), expected)


class TestTies:
    def test_by_hand(self):
        """Of six entries each keeps three: 5 -4 3, -5 4 2 and 6 1 -1 (the first two of equals)."""
        changes = [
            named([5.0, -4.0, 0.5], [3.0, 0.1, 0.0]),
            named([-5.0, 0.2, 4.0], [2.0, 0.0, 0.1]),
            named([6.0, 0.0, 1.0], [0.0, 0.3, -1.0]),
        ]
        # a: 5 - 5 + 6 > 0, so the mean of 5 and 6; -4 alone; the mean of 4 and 1.
        # b: the mean of 3 and 2; nothing; -1 alone.
        expected = named([5.5, -4.0, 2.5], [2.5, 0.0, -1.0])
        assert_same(ties(changes, 0.5), expected)

    def test_signs_that_cancel_leave_nothing(self):
        assert_same(ties([named([2.0, 1.0]), named([-2.0, 1.0])], 1.0), named([0.0, 1.0]))

    def test_of_equals_at_the_border_the_first_stay(self):
        one = named([1.0] * 40, [-1.0] * 60)
        found = ties([one], 0.5)
        assert_same(found, named([1.0] * 40, [-1.0] * 10 + [0.0] * 50))

    def test_something_always_stays(self):
        assert_same(ties([named([1.0, -3.0, 2.0])], 0.001), named([0.0, -3.0, 0.0]))

    def test_all_of_one_is_itself(self):
        one = random(0)
        assert_same(ties([one], 1.0), one)

    @pytest.mark.parametrize("density", [0.2, 0.5, 0.9])
    def test_is_pefts(self, density):
        """peft trims tensor by tensor, so one tensor here."""
        changes = [{"a": random(seed, ((10, 10), (1,)))["a"]} for seed in range(4)]
        theirs = merge_utils.ties([one["a"] for one in changes], torch.ones(4), density, "total")
        assert_same(ties(changes, density), {"a": theirs})

    def test_the_largest_are_counted_over_all_parameters(self):
        """Not a share of each: what hardly changed may lose everything."""
        found = ties([named([10.0, 9.0, -8.0, 7.0], [0.1, 0.2, 0.3, 0.4])], 0.5)
        assert_same(found, named([10.0, 9.0, -8.0, 7.0], [0.0, 0.0, 0.0, 0.0]))


def test_sum_is_pefts():
    changes = [random(seed) for seed in range(3)]
    theirs = {
        name: merge_utils.task_arithmetic([one[name] for one in changes], torch.ones(3))
        for name in "ab"
    }
    assert_same(arithmetic(changes), theirs)
    third = {
        name: merge_utils.task_arithmetic([one[name] for one in changes], torch.full((3,), 1 / 3))
        for name in "ab"
    }
    assert_same(average(changes), third)
