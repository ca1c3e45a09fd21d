"""Answers that are too long for the context are left out only where the task says so."""

import pytest

from madrigal.errors import DataError
from madrigal.tasks.encode import Coder
from madrigal.tasks.fit import fitting
from real import byte_level
from tasks_made import loaded, write_jsonl

LONG = "word " * 60


@pytest.fixture
def coder():
    return Coder(byte_level(), 48, True)


def task_of(folder, rows, test):
    write_jsonl(folder / "train.jsonl", rows)
    write_jsonl(folder / "test.jsonl", test)
    data = {"train": "train.jsonl", "test": "test.jsonl", "split": {"validation": 0.0}}
    return loaded(data, folder)


def pair(prompt, chosen="x", rejected="y"):
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def test_judged_answers_that_do_not_fit_are_left_out_and_told(tmp_path, coder):
    rows = [pair("a"), pair("b", LONG), pair("c", "z", LONG), pair("a")]
    task = task_of(tmp_path, rows, [pair("t"), pair("u", LONG)])
    with pytest.raises(DataError) as error:
        coder.check(task)
    assert len(error.value.mistakes) == 3
    assert error.value.mistakes[0].endswith(
        "fit; shorten it, raise `model.context`, or leave such records out with `data.on_bad: drop`"
    )
    found = fitting(task, coder)
    coder.check(found)
    coder.training(found, "train")
    assert [record.where for record in found.splits["train"]] == ["train.jsonl:1", "train.jsonl:4"]
    assert found.counts == task.counts | {"train": 2, "test": 1, "bad": 3, "duplicates": 1}
    (note,) = set(found.notes) - set(task.notes)
    start = "3 bad rows were dropped (data.on_bad): train.jsonl:2: the answer has "
    assert note.startswith(start)
    assert note.endswith(" at most 35 fit")
    assert "shorten" not in note
    assert [line.partition(": ")[0] for line in found.dropped] == [
        "train.jsonl:2", "train.jsonl:3", "test.jsonl:2"
    ]  # fmt: skip


def test_rows_that_could_not_be_read_are_counted_with_those_that_do_not_fit(tmp_path, coder):
    rows = [pair("a"), pair("b", ""), pair("c", LONG), pair("d", LONG)]
    write_jsonl(tmp_path / "train.jsonl", rows)
    write_jsonl(tmp_path / "test.jsonl", [pair("t")])
    data = {"train": "train.jsonl", "test": "test.jsonl", "split": {"validation": 0.0}}
    found = fitting(loaded({**data, "on_bad": "drop"}, tmp_path), coder)
    assert found.counts["bad"] == len(found.dropped) == 3
    assert found.dropped[0] == "train.jsonl:2: 'chosen' is empty"


def test_of_free_answers_only_those_that_are_trained_must_fit(tmp_path, coder):
    rows = [{"prompt": "a", "completion": LONG}, {"prompt": "b", "completion": "x"}]
    task = task_of(tmp_path, rows, [{"prompt": "t", "completion": LONG}])
    found = fitting(task, coder)
    assert {split: len(records) for split, records in found.splits.items()} == {
        "train": 1, "validation": 0, "test": 1
    }  # fmt: skip


def test_where_everything_fits_nothing_changes(tmp_path, coder):
    task = task_of(tmp_path, [pair("a")], [pair("t")])
    assert fitting(task, coder) is task
    text = task_of(tmp_path, [{"text": LONG}], [{"text": LONG}])
    assert fitting(text, coder) is text


def test_a_split_of_which_nothing_is_left_is_a_mistake(tmp_path, coder):
    task = task_of(tmp_path, [pair("a"), pair("b", LONG)], [pair("t", LONG), pair("u", LONG)])
    with pytest.raises(DataError) as error:
        fitting(task, coder)
    first, *others = error.value.mistakes
    assert first == (
        "tasks.t.data: none of the 2 test records fits a context of 48 tokens; shorten answers, "
        "raise `model.context`, or name other data"
    )
    # Those of this split alone, and without the advice to drop them, which is done already.
    assert [line.partition(": ")[0] for line in others] == ["test.jsonl:1", "test.jsonl:2"]
    assert not any("on_bad" in line for line in error.value.mistakes)
