"""Two texts side by side: marks stand where they should, and no text is lost or made up."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madrigal.curation.beside import MOST, apart, common, fitted, plain


def marked(pieces) -> list[str]:
    return [text for text, mark in pieces if mark]


def test_runs_of_four_words_that_both_say_are_marked_without_the_signs_around_them():
    one, other = common(
        "Well: the old Harbour was calm today.", "and the old harbour was calm, too"
    )
    assert marked(one) == ["the old Harbour was calm"]
    assert marked(other) == ["the old harbour was calm"]


def test_three_words_in_common_say_nothing():
    assert not marked(common("the old harbour", "we saw the old harbour")[0])


def test_what_tells_two_texts_apart_is_marked():
    one, other = apart("my uncle wrote about it\n→ bad", "my uncle spoke about it\n→ bad")
    assert marked(one) == ["wrote"]
    assert marked(other) == ["spoke"]


def test_long_text_far_from_a_mark_is_left_out_and_what_stands_near_it_stays():
    far = "x" * 5000
    shown = fitted([(f"{far} near ", False), ("marked", True), (f" after {far}", False)])
    assert marked(shown) == ["marked"]
    assert shown[0][0].startswith(" … ")
    assert shown[0][0].endswith(" near ")
    assert shown[2][0].startswith(" after ")
    assert shown[2][0].endswith(" … ")
    assert sum(len(text) for text, _ in shown) < 300


def test_a_text_without_marks_begins_at_its_beginning():
    ((text, mark),) = plain("y" * 2000)
    assert not mark
    assert text == "y" * MOST + " …"


@settings(deadline=None, max_examples=80)
@given(st.text(alphabet="ab ,.\n", max_size=60), st.text(alphabet="ab ,.\n", max_size=60))
@pytest.mark.parametrize("compare", [common, apart])
def test_short_texts_stay_whole(compare, one, other):
    for pieces, text in zip(compare(one, other), (one, other), strict=True):
        if len(text) < 20:
            assert "".join(part for part, _ in pieces) == text
