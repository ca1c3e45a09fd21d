import numpy as np
import pytest
import torch

from madrigal.model.nucleus import nucleus, packed, unpacked, with_targets

SHARES = torch.tensor([[0.5, 0.2, 0.2, 0.1], [0.1, 0.1, 0.1, 0.7]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("top_p", "first", "second"),
    [
        (0.4, [1, 0, 0, 0], [0, 0, 0, 1]),
        (0.6, [1, 1, 0, 0], [0, 0, 0, 1]),  # of equal ones the first
        (0.8, [1, 1, 1, 0], [1, 0, 0, 1]),
        (1.0, [1, 1, 1, 1], [1, 1, 1, 1]),
    ],
)
def test_the_likeliest_tokens_up_to_the_one_that_reaches_the_sum(top_p, first, second):
    found = nucleus(SHARES.log(), top_p)
    assert found.int().tolist() == [first, second]


def test_what_was_drawn_is_among_them():
    found = with_targets(nucleus(SHARES.log(), 0.4), torch.tensor([3, 3]))
    assert found.int().tolist() == [[1, 0, 0, 1], [0, 0, 0, 1]]


@pytest.mark.parametrize("vocabulary", [1, 8, 13])
def test_packed_and_unpacked(vocabulary):
    held = torch.rand(5, vocabulary, generator=torch.Generator().manual_seed(0)) < 0.5
    again = unpacked(packed(held), vocabulary)
    np.testing.assert_array_equal(again, held.numpy())
