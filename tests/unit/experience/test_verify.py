import sys

import numpy as np
import pytest

from madrigal.errors import DataError
from madrigal.experience.answer import Answer, Prompt
from madrigal.experience.verify import (
    by_function,
    exact,
    found_function,
    last_number,
    length,
    number,
    pattern,
)
from madrigal.tasks.record import Record, Turn


def said(text, *accepted):
    record = Record("here:1", (Turn("user", "how many?"),), answers=accepted)
    return Answer(Prompt(np.arange(3), record, 9), np.arange(len(text)), text, True)


def test_exact():
    some = [said("The Mill.", "the mill"), said("a mill", "mill", "tower"), said("tower", "tower")]
    assert exact(some).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("12 apples and 30", 30), ("1,234.5 in all", 1234.5), ("minus -7", -7), ("none", None),
        ("2e3", 2000), ("", None), ("3.", 3),
    ],
)  # fmt: skip
def test_the_last_number(text, found):
    assert last_number(text) == found


def test_number():
    some = [said("so 12", "it is 12"), said("12.4", "12"), said("none", "12"), said("3", "?")]
    assert number(0.0)(some).tolist() == [1, 0, 0, 0]
    assert number(0.5)(some).tolist() == [1, 1, 0, 0]


def test_pattern_and_length():
    some = [said("Dear Sir"), said("sir")]
    assert pattern(r"\bSir\b")(some).tolist() == [1, 0]
    assert length(some).tolist() == [8, 3]


def test_a_function_is_asked_about_all_at_once():
    calls = []

    def count(prompts, answers, accepted):
        calls.append((prompts, accepted))
        return [len(text) for text in answers]

    assert by_function(count)([said("ab", "x"), said("abc")]).score.tolist() == [2, 3]
    assert calls == [(["how many?"] * 2, [("x",), ()])]


def test_an_answer_on_which_the_function_fails_has_no_reward():
    def fussy(prompts, answers, accepted):
        return [1 / (len(text) - 2) for text in answers]

    found = by_function(fussy)([said("a"), said("ab"), said("abc")])
    np.testing.assert_array_equal(found.score, [-1, np.nan, 1])
    assert found.why == {1: "ZeroDivisionError: division by zero"}


@pytest.mark.parametrize("given", [[float("inf"), 1.0], [float("nan"), 1.0], ["x", 1.0]])
def test_what_is_no_number_is_no_reward(given):
    def odd(prompts, answers, accepted):
        return [given[text == "b"] for text in answers]

    found = by_function(odd)([said("a"), said("b")])
    np.testing.assert_array_equal(found.score, [np.nan, 1])
    wanted = "ValueError: could not convert string to float: 'x'"
    assert found.why == {0: wanted if given[0] == "x" else f"it gave {given[0]}"}


def test_a_function_that_leaves_the_program_has_failed():
    def leaves(prompts, answers, accepted):
        if "b" in answers:
            sys.exit("enough")
        return [1.0] * len(answers)

    found = by_function(leaves)([said("a"), said("b")])
    np.testing.assert_array_equal(found.score, [1, np.nan])
    assert found.why == {1: "SystemExit: enough"}


def test_too_few_rewards_are_asked_for_one_by_one():
    some = [said("a"), said("b")]
    assert by_function(lambda prompts, answers, accepted: [1.0])(some).score.tolist() == [1, 1]
    none = by_function(lambda prompts, answers, accepted: [])(some)
    assert np.isnan(none.score).all()
    assert none.why[1] == "ValueError: 0 rewards for 1 answers"


def test_a_function_beside_the_recipe(tmp_path):
    (tmp_path / "my_rewards.py").write_text("def short(p, a, r):\n    return [1.0 for _ in a]\n")
    assert found_function("my_rewards.short", tmp_path)([], ["x"], []) == [1.0]
    with pytest.raises(DataError, match=r"^reward.name: my_rewards has no function 'long'$"):
        found_function("my_rewards.long", tmp_path)
    with pytest.raises(DataError, match=r"^reward.name: no_such_module cannot be imported"):
        found_function("no_such_module.short", tmp_path)
