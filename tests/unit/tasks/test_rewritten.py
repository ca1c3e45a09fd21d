"""Copies in a generator's words: which rows fit a record, what is said anew, and how many count."""

import json

import pytest

from madrigal.errors import DataError
from madrigal.recipe.task import Augment
from madrigal.tasks.augment import MARK, own_texts, with_augmentation
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.rewritten import prompts, read_rewritten, row_of
from madrigal.tasks.row import Row
from madrigal.tasks.task import Task


def record(number: int, prompt: str, **fields: str) -> Record:
    return Record(f"a.jsonl:{number}", (Turn("user", prompt),), ("yes",), ("yes", "no"),
                  fields=fields)  # fmt: skip


def said(one: Record, *texts: tuple[str, str], by: str = "paraphrase") -> Row:
    return Row("w.jsonl", "w.jsonl", row_of(one, by, texts))


def new(one: Record, *texts: tuple[str, str]) -> list[str]:
    """The prompts that a row of such texts makes of a record."""
    return [prompt for _, _, prompt in prompts([one], [said(one, *texts)])]


def test_each_text_is_exchanged_where_it_stands_after_the_one_before():
    one = record(1, "One: the boat. Two: the boat. End")
    assert new(one, ("the boat", "a ship"), ("the boat", "a raft")) == [
        "One: a ship. Two: a raft. End"
    ]
    # Not where an earlier one stood, nor in what was put there.
    assert new(one, ("Two", "2"), ("One", "1")) == []
    assert new(record(1, "aab"), ("aa", "x"), ("ab", "y")) == []
    assert new(record(1, "a b"), ("a", "b c"), ("b", "d")) == ["b c d"]


def test_texts_that_do_not_stand_in_the_prompt_make_nothing_of_it():
    one = record(1, "One: the boat. Two: the mill.")
    assert new(one, ("the boat", "a ship"), ("the house", "a hut")) == []
    assert new(one, ("", "a ship")) == []


def test_the_same_prompt_again_and_an_empty_one_are_no_copies():
    one = record(1, "the boat")
    assert new(one, ("the boat", "the boat")) == []
    assert new(one, ("the boat", " \n")) == []


def test_of_one_record_and_way_the_first_row_counts_that_fits():
    one, other = record(1, "the boat"), record(2, "the mill")
    rows = [
        said(one, ("a house", "no")),  # does not fit, so the next one may
        said(one, ("the boat", "a ship")),
        said(one, ("the boat", "a raft")),
        said(one, ("the boat", "a barge"), by="way of German"),
        said(other, ("the mill", "a mill")),
        said(record(3, "the tower"), ("the tower", "a tower")),  # is not trained on
    ]
    found = [(which.where, by, prompt) for which, by, prompt in prompts([one, other], rows)]
    assert found == [
        ("a.jsonl:1", "paraphrase", "a ship"),
        ("a.jsonl:1", "way of German", "a barge"),
        ("a.jsonl:2", "paraphrase", "a mill"),
    ]


@pytest.mark.parametrize("broken", [
    {"texts": []}, {"texts": "a"}, {"texts": [{"before": "a"}]}, {"texts": ["a"]}, {"by": 3},
    {"from": None}, {"texts": [{"before": "a", "after": 1}]},
])  # fmt: skip
def test_a_row_that_nobody_wrote_is_told_by_its_line(tmp_path, broken):
    good = row_of(record(1, "a"), "paraphrase", [("a", "b")])
    (tmp_path / "w.jsonl").write_text(json.dumps(good) + "\n" + json.dumps(good | broken) + "\n")
    with pytest.raises(DataError) as told:
        read_rewritten("w.jsonl", tmp_path, "tasks.mood.augment.written")
    (line,) = told.value.mistakes
    assert line.startswith("tasks.mood.augment.written: w.jsonl:2: is no row that `madrigal aug")


def test_at_most_as_many_as_there_are_records_the_first_of_the_file(tmp_path):
    """Two ways of each record are written; one copy a record is the most there may be."""
    records = tuple(record(k, f"the boat number {k}") for k in range(1, 5))
    ways = ("paraphrase", "way of German")
    rows = [row_of(one, by, [("boat", f"ship {by}")]) for by in ways for one in records]
    rows = [rows[0], *rows[4:], *rows[1:4]]
    (tmp_path / "w.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    splits = {"train": records, "validation": (), "test": ()}
    task = Task("mood", "choice", "accuracy", splits, labels=("yes", "no"))
    found = with_augmentation(task, Augment(written="w.jsonl"), 0, tmp_path)
    made = found.splits["train"][4:]
    assert [one.fields[MARK] for one in made] == [
        "paraphrase of a.jsonl:1",
        *(f"way of German of a.jsonl:{k}" for k in (1, 2, 3)),
    ]
    assert found.counts["train"] == 8
    assert len(found.augmented) == 4
    assert "4 training records are made from 4" in found.notes[-1]
    assert "(a share of 50%)" in found.notes[-1]


def test_what_a_generator_may_say_anew_is_what_the_row_brought_but_answers_and_choices():
    asked = "yes or no? Title: The old boat on the sea. Text: The old boat. id: 7 he"
    one = record(
        1, asked, text="The old boat.", title="The old boat on the sea", label="yes", other="no",
        id="7", who="he", gone="not in it",
    )  # fmt: skip
    assert own_texts(one) == ["The old boat on the sea", "The old boat."]
    inside = record(1, "Review: the father saw the mill", text="the father saw the mill",
                    name="father")  # fmt: skip
    assert own_texts(inside) == ["the father saw the mill"]
