"""Answers that a model writes: repetition, length, ends, and what changed."""

import pytest

import tiny
from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.plan import Plan
from madrigal.evaluation.write import written
from madrigal.evaluation.written import (
    Written,
    read_written_of,
    repeated,
    write_written,
    writing,
)
from madrigal.tasks.encode import Coder
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.task import Task


@pytest.mark.parametrize(
    ("tokens", "share"),
    [
        ([1, 2, 3, 4, 5, 6], 0.0),
        ([1, 1, 1, 1, 1, 1], 2 / 3),
        ([1, 2, 1, 2, 1, 2, 1], 0.5),
        ([1, 1, 1, 1], 0.0),
        ([1, 1, 1], 0.0),
        ([], 0.0),
    ],
)
def test_repetition_is_the_share_of_4_grams_that_came_before(tokens, share):
    assert repeated(tokens) == pytest.approx(share)


def rows(tokens, ended=True, share=0.0):
    return [Written(f"e{i}", f"e{i}", "p", "said", n, ended, share) for i, n in enumerate(tokens)]


def test_changes_are_paired_with_the_row_before():
    learned = {"01-a": (), "02-b": ("liked",)}
    plan = Plan({"liked": "agreement"}, learned, resampling=Resampling(0, 300))
    after = rows([15, 25, 36], False, 0.5)
    found = {"base": {"liked": rows([10, 20, 30])}, "02-b": {"liked": after}}
    told = writing(found, plan)["written"]
    assert told["base"]["liked"]["tokens"]["value"] == 20
    assert "changes" not in told["base"]["liked"]
    after = told["02-b"]["liked"]
    assert after["from"] == "base"
    assert after["changes"]["tokens"]["value"] == pytest.approx(16 / 3)
    assert after["changes"]["tokens"]["low"] >= 5
    assert after["changes"]["repeated"]["value"] == pytest.approx(0.5)
    assert (told["base"]["liked"]["ended"]["value"], after["ended"]["value"]) == (1, 0)
    assert writing({}, plan) == {}


def test_a_file_keeps_what_was_written(tmp_path):
    given = [Written("a", "a", "p\n", "half a character: \ud800", 3, False, 0.25)]
    write_written(tmp_path / "written" / "base" / "liked.jsonl", given)
    assert read_written_of(tmp_path) == {"base": {"liked": given}}


def test_a_model_draws_with_the_same_chance_whenever_it_is_asked():
    held = tiny.model(attention_dropout=0.1)
    held.network.train()
    coder = Coder(held.tokenizer, held.context, use_chat_template=False)
    task = Task("liked", "feedback", "agreement", {}, max_new_tokens=6)
    asked = [Record(where=f"a:{i}", turns=(Turn("user", f"what is {i}"),)) for i in range(5)]
    asked.append(Record(where="a:9", text="judged by itself"))
    first = written(held, coder, task, asked, seed=1)
    assert [one.prompt for one in first] == [f"what is {i}" for i in range(5)]
    assert written(held, coder, task, asked[::-1], 64, seed=1)[::-1] == first
    assert written(held, coder, task, asked, seed=2) != first
    assert all(one.tokens == 6 or one.ended for one in first)
    assert held.network.training
