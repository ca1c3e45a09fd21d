"""Each rule by which a template is worded another way."""

import numpy as np
import pytest

from madrigal.tasks.templates_by_rule import _headings, _lines, _opening, _words, reworded


def made(rule, parts, protected=(), count=80):
    return {tuple(rule(parts, set(protected), np.random.default_rng(seed)))
            for seed in range(count)}  # fmt: skip


def test_words_give_way_to_others_of_the_same_sense_in_their_case():
    found = made(_words, ["Classify the sentence", " as this"])
    assert {one[0].split()[0] for one in found} == {"Classify", "Categorise"}
    assert {one[0].split()[-1] for one in found} == {"sentence", "text", "passage"}
    assert {one[1] for one in found} == {" as this"}


def test_a_word_that_a_label_has_is_neither_taken_nor_brought_in():
    found = made(_words, ["Classify the sentence"], ["passage", "classify"])
    assert {one[0] for one in found} == {"Classify the sentence", "Classify the text"}


def test_headings_are_written_in_one_way_where_a_line_begins_and_no_label_stands():
    parts = ["Review: ", "\nAnswer here: yes\nPositive: ", " note: "]
    found = made(_headings, parts, ["positive"])
    assert found == {
        (f"{a} ", f"\n{b} yes\nPositive: ", " note: ")
        for a, b in (("[Review]:", "[Answer here]:"), ("Review -", "Answer here -"),
                     ("Review =", "Answer here ="), ("## Review:", "## Answer here:"))
    }  # fmt: skip
    # What follows a row's own text begins no line.
    assert made(_headings, ["", "Sentiment: "]) == {("", "Sentiment: ")}


def test_line_ends_become_one_blank_line_and_blank_lines_stay():
    (found,) = made(_lines, ["One\nTwo\n\nThree\n", "\nFour"])
    assert found == ("One\n\nTwo\n\nThree\n\n", "\n\nFour")


def test_an_introduction_stands_before_it_all():
    found = made(_opening, ["Review: ", "\n"])
    assert len(found) == 4
    assert all(one[0].endswith(".\nReview: ") or one[0].endswith(":\nReview: ") for one in found)
    assert {one[1] for one in found} == {"\n"}


@pytest.mark.parametrize("seed", range(40))
def test_one_or_two_rules_are_met_and_never_none(seed):
    parts = ["Classify the sentence below.\nReview: ", "\nSentiment:"]
    new = "".join(reworded(parts, (), np.random.default_rng(seed)))
    signs = {
        "opening": "Classify" not in new[:10] and "Categorise" not in new[:10],
        "lines": "\n\n" in new,
        "headings": "Review: " not in new or "## Review" in new,
        "words": not all(word in new for word in ("Classify", "sentence", "below")),
    }
    assert 1 <= sum(signs.values()) <= 2


def test_a_template_without_a_word_stays():
    assert made(reworded, ["", "\n: "]) == {("", "\n: ")}
