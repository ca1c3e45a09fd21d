"""Edited tokens, by hand and by what must hold of any two versions."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from madrigal.tasks.edits import edited

END = 9
TOKENS = st.lists(st.integers(0, 4), max_size=12)


def marks(before, after):
    one, other = edited([*before, END], [*after, END])
    return one.tolist(), other.tolist()


def test_what_was_exchanged_is_marked_in_both():
    assert marks([1, 2, 3], [1, 4, 5, 3]) == ([0, 1, 0, 0], [0, 1, 1, 0, 0])


def test_where_something_came_in_the_token_that_followed_before_is_marked():
    assert marks([1, 3], [1, 2, 3]) == ([0, 1, 0], [0, 1, 0, 0])
    assert marks([1, 2, 3], [1, 3]) == ([0, 1, 0, 0], [0, 1, 0])


def test_an_answer_that_was_cut_short_marks_its_end():
    assert marks([1, 2], [1]) == ([0, 1, 0], [0, 1])


def test_a_word_that_is_often_said_is_not_taken_for_changed():
    before = np.random.default_rng(0).integers(0, 3, 300).tolist()
    after = [*before[:50], 7, 8, *before[51:200], 6, *before[201:]]
    assert [place for place, mark in enumerate(marks(before, after)[1]) if mark] == [50, 51, 201]


@given(TOKENS, TOKENS)
def test_unmarked_tokens_are_the_same_in_both_and_in_order(before, after):
    one, other = edited([*before, END], [*after, END])
    assert one.shape == (len(before) + 1,)
    assert other.shape == (len(after) + 1,)
    if before == after:
        assert not one.any()
        assert not other.any()
        return
    assert one.any()
    assert other.any()

    def kept(tokens, mark):
        return [token for token, edited in zip([*tokens, END], mark, strict=True) if not edited]

    def within(few, many):
        rest = iter(many)
        return all(token in rest for token in few)

    assert within(kept(before, one), [*after, END])
    assert within(kept(after, other), [*before, END])
