"""What all prompts share, and nothing that one of them says."""

import pytest

from madrigal.retention.frame import Frame, frame


@pytest.mark.parametrize(
    ("prompts", "wanted"),
    [
        ([(1, 2, 5, 8, 9), (1, 2, 6, 7, 8, 9)], Frame((1, 2), (8, 9), (1, 2))),
        ([(1, 2), (1, 2, 3)], Frame((1, 2), (), (0, 1))),
        ([(1, 1), (1, 1, 1)], Frame((1, 1), (), (0, 1))),  # no token is in both ends
        ([(4, 1), (5, 1), (4, 1)], Frame((), (1,), (1, 1, 1))),
        ([(4,), (5, 6)], Frame((), (), (1, 2))),
    ],
)
def test_the_shared_ends_and_the_lengths_between(prompts, wanted):
    assert frame(prompts) == wanted


def test_an_end_that_was_written_already_stands_once():
    between = Frame((1, 2), (8, 9), (3,))
    assert between.around([5, 8, 9]) == (1, 2, 5, 8, 9)
    assert between.around([5, 8]) == (1, 2, 5, 8, 8, 9)
    assert Frame((1,), (), (3,)).around([5]) == (1, 5)
