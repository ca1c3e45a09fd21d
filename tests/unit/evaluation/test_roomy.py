"""A cache with room holds what transformers' own would hold."""

import torch
from transformers.cache_utils import DynamicLayer

from madrigal.evaluation.roomy import Roomy


def filled(rows, length):
    layer = DynamicLayer()
    layer.update(torch.randn(rows, 2, length, 3), torch.randn(rows, 2, length, 4))
    return layer


def both(room):
    torch.manual_seed(0)
    begun, rows = filled(3, 5), torch.tensor([0, 0, 2, 1])
    theirs = DynamicLayer()
    theirs.update(begun.keys[rows], begun.values[rows])
    return theirs, Roomy(begun, rows, room)


def test_rows_leave_before_and_between_and_more_comes_than_there_is_room_for():
    for room in (0, 1, 9):
        theirs, ours = both(room)
        for kept, length in (([0, 1, 3], 1), (None, 2), ([2, 0], 1), (None, 1), ([1], 3)):
            if kept is not None:
                theirs.batch_select_indices(torch.tensor(kept))
                ours.batch_select_indices(torch.tensor(kept))
            rows = len(theirs.keys)
            more = torch.randn(rows, 2, length, 3), torch.randn(rows, 2, length, 4)
            for one, other in zip(theirs.update(*more), ours.update(*more), strict=True):
                assert torch.equal(one, other)
            assert ours.get_seq_length() == theirs.get_seq_length()


def test_appending_within_the_room_copies_nothing():
    _, ours = both(2)
    one = torch.randn(4, 2, 1, 3), torch.randn(4, 2, 1, 4)
    first = ours.update(*one)[0].data_ptr()
    assert ours.update(*one)[0].data_ptr() == first
    assert ours.update(*one)[0].data_ptr() == first
    assert ours.update(*one)[0].data_ptr() != first
