"""Chance is a function of seed and step."""

import torch

from madrigal.training.chance import derive, seed_pass


def test_is_the_same_on_every_machine():
    assert derive(0, "mixture", "together") == 8537960105797967671


def test_every_part_counts():
    keys = [(0,), (1,), (0, "a"), (0, "a", 1), (0, "a", 2), (0, "b")]
    seen = {derive(*key) for key in keys}
    assert len(seen) == 6
    assert all(0 <= number < 2**63 for number in seen)


def test_a_pass_draws_the_same_again():
    def draw(*key):
        seed_pass(*key)
        return torch.rand(3).tolist()

    assert draw(0, "x", 3, 1) == draw(0, "x", 3, 1)
    others = [draw(1, "x", 3, 1), draw(0, "y", 3, 1), draw(0, "x", 4, 1), draw(0, "x", 3, 2)]
    assert draw(0, "x", 3, 1) not in others
