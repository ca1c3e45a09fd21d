"""Words of a list: whole, disguised, in their surroundings, and where they stand."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madrigal.audit.filter_settings import Words
from madrigal.audit.read import text_rule
from madrigal.audit.spelling import DISGUISES, pattern, plain


def finds(text, words=("idiot", "shut up", "ass", "butt"), **settings):
    from pathlib import Path

    rule = text_rule(Words(name="r", kind="words", words=tuple(words), **settings), Path())
    (found,) = rule.look([text], [""])
    assert all(text[one.start : one.end] == one.text for one in found)
    return [one.text for one in found]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("You idiot!", ["idiot"]),
        ("IDIOT", ["IDIOT"]),
        ("idiotic and idiots", []),
        ("class, assume, grass", []),
        ("shut  up", ["shut  up"]),
        ("shut the door up", []),
        ("", []),
        ("an ïdíot, truly", ["ïdíot"]),
        ("an ｉｄｉｏｔ", ["ｉｄｉｏｔ"]),
        ("1d10t", []),
    ],
)
def test_plain_spelling(text, found):
    assert finds(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1d10t", ["1d10t"]),
        ("you !d!0t", ["!d!0t"]),
        ("idiooooot", ["idiooooot"]),
        ("id*ot", ["id*ot"]),
        ("i.d.i.o.t", ["i.d.i.o.t"]),
        ("i d i o t", ["i d i o t"]),
        ("id\u200biot", ["id\u200biot"]),
        ("іdіоt in other letters", ["іdіоt"]),  # three of them Cyrillic
        ("a$$", ["a$$"]),
        ("@ss", ["@ss"]),
        ("as", []),
        ("a s soon as", []),
        ("but", []),
        ("buttt", ["buttt"]),
        ("455 rooms", []),  # a number
        ("assess class", []),
    ],
)
def test_obfuscated_spelling(text, found):
    assert finds(text, spelling="obfuscated") == found


def test_endings_and_parts_of_words():
    assert finds("idiots, idiotic", ["idiot*"]) == ["idiots", "idiotic"]
    assert finds("superidiots", ["idiot*"]) == []
    assert finds("superidiots", ["idiot"], whole_words=False) == ["idiot"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("how do I kill a python process", []),
        ("how do I kill a man", ["kill"]),
        ("the process: one two three four kill", ["kill"]),  # six words away
        ("the process one two three four kill", ["kill"]),
        ("the process one two three kill", []),
        ("kill it, said the processor", []),
    ],
)
def test_a_word_is_fine_near_others(text, found):
    assert finds(text, ["kill"], unless_near=("process*", "python"), window=4) == found


def test_a_word_counts_only_near_others():
    assert finds("I shoot a film", ["shoot"], only_near=("people", "him")) == []
    assert finds("I shoot at people", ["shoot"], only_near=("people", "him")) == ["shoot"]


WORD = st.text("abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=8)


@given(WORD, st.randoms(use_true_random=False))
def test_every_disguise_of_a_word_is_found(word, chance):
    """Any letter but one disguised, any letter repeated, in any case."""
    real = chance.randrange(len(word))
    said = ""
    for place, letter in enumerate(word):
        others = letter if place == real else letter + DISGUISES.get(letter, "")
        said += chance.choice(others) * chance.randint(1, 3)
    said = said.upper() if chance.random() < 0.5 else said
    assert re.search(pattern(word, True, True), plain(f"so, {said}.").text), said


@given(WORD, WORD)
def test_a_plain_word_is_never_another(word, other):
    found = re.search(pattern(word, False, True), plain(f"so, {other}.").text)
    assert bool(found) == (word == other or word == "so")


@given(st.text())
def test_places_lead_back_to_the_text(text):
    simple = plain(text)
    assert len(simple.text) == len(simple.places)
    assert all(0 <= place < len(text) for place in simple.places)
    assert list(simple.places) == sorted(simple.places)
