"""Edits and swaps of single words, each rule by itself."""

import re

import numpy as np
import pytest

from madrigal.tasks.edits_by_rule import _KINDS, edited
from madrigal.tasks.swaps import swapped

SLIP, DROP, CASE, MARK = range(4)


def only(kind: int, text: str, seed: int = 0) -> str:
    """One edit of the second word of a text."""
    return _KINDS[kind](text, 4, text.index(" ", 4), np.random.default_rng(seed))


def test_a_slip_is_to_a_key_beside_and_keeps_the_first_letter_and_the_case():
    """`a` has a neighbour on one side alone, and so has `p`."""
    made = {only(SLIP, "the QWap is", seed) for seed in range(60)}
    assert made == {"the QQap is", "the QEap is", "the QWsp is", "the QWao is"}
    assert only(SLIP, "the éé is") == "the éé is"


def test_a_word_goes_with_the_space_after_it():
    assert only(DROP, "the boat is") == "the is"


def test_the_first_letter_gets_the_other_case():
    assert only(CASE, "the Boat is") == "the boat is"
    assert only(CASE, "the boat is") == "the Boat is"


@pytest.mark.parametrize(("before", "after"), [
    ("the boat is", "the boat, is"), ("the boat, is", "the boat is"),
    ("the boat; is", "the boat is"),
    ("the boat. is", "the boat is"), ("the boat! is", "the boat,! is"),
])  # fmt: skip
def test_a_mark_comes_or_goes(before, after):
    assert _KINDS[MARK](before, 4, 8, np.random.default_rng(0)) == after


def test_of_several_words_each_is_edited_where_it_stood():
    """From the last to the first, since an edit moves what follows it."""
    text = "many small boats went over this water"
    # Every word is chosen; none of them may be cut into.
    for seed in range(30):
        changed = edited(text, 1.0, {"small"}, np.random.default_rng(seed))
        for word in re.findall(r"\w+", changed):
            assert any(
                len(word) == len(old) and sum(a != b for a, b in zip(word, old, strict=True)) <= 1
                for old in text.split()
            )
        assert " small " in f" {changed.replace(',', '')} "


def test_words_of_four_letters_are_edited_and_shorter_ones_are_not():
    assert all(edited("boat", 0.01, (), np.random.default_rng(k)) != "boat" for k in range(9))
    assert edited("sea of tea", 1.0, (), np.random.default_rng(0)) == "sea of tea"


def test_what_turns_the_meaning_round_and_what_is_protected_is_known_in_any_case():
    for seed in range(20):
        changed = edited("Never WITHOUT Pleasure boats", 1.0, {"pleasure"},
                         np.random.default_rng(seed))  # fmt: skip
        assert changed.startswith("Never WITHOUT Pleasure")


@pytest.mark.parametrize(("before", "after"), [
    ("I saw her to the door", "I saw him to the door"),
    ("I saw her and left", "I saw him and left"),
    ("I saw her.", "I saw him."),
    ("her old boat", "his old boat"),
    ("HER boat", "HIS boat"),
    ("Mrs King and the queen", "Mr Queen and the king"),
    ("the theory of heroes", "the theory of heroes"),
])  # fmt: skip
def test_her_stands_for_his_before_a_word_and_for_him_elsewhere(before, after):
    assert swapped(before) == after
