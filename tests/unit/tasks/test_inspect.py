"""What `init` sees in a user's files."""

import json

import pytest

from madrigal.errors import DataError
from madrigal.tasks.inspect import expanded, inspect_files, name_of
from real import DATA, needs_data
from tasks_made import write_jsonl


@pytest.mark.parametrize(
    ("path", "name", "split"),
    [
        ("reviews/train.jsonl", "reviews", "train"),
        ("./reviews/test.jsonl.gz", "reviews", "test"),
        ("reviews_valid.csv", "reviews", "validation"),
        ("my reviews-dev.csv", "my_reviews", "validation"),
        ("train.jsonl", "task", "train"),
        ("latest.jsonl", "latest", "train"),
        ("contest.jsonl", "contest", "train"),
        ("law/", "law", "train"),
        ("law/*.txt", "law", "train"),
        ("Task 1: Capitals.json", "task_1_capitals", "train"),
    ],
)
def test_names(path, name, split):
    assert name_of(path) == (name, split)


def test_train_and_test_files_become_one_task(tmp_path):
    rows = [{"text": f"t{i}", "label": "ab"[i % 2]} for i in range(6)]
    write_jsonl(tmp_path / "reviews" / "train.jsonl", rows)
    write_jsonl(tmp_path / "reviews" / "test.jsonl", rows[:3])
    (tmp_path / "law").mkdir()
    (tmp_path / "law" / "a.txt").write_text("x")
    (tmp_path / "qa.json").write_text(json.dumps([{"question": "q", "answer": "a"}]))
    found = {one.name: one for one in inspect_files(["reviews", "law", "qa.json"], tmp_path)}
    assert list(found) == ["reviews", "law", "qa"]
    reviews = found["reviews"]
    assert reviews.paths == {"test": "reviews/test.jsonl", "train": "reviews/train.jsonl"}
    assert (reviews.format, reviews.kind, reviews.fields) == (
        "classification", "choice", ("text", "label"),
    )  # fmt: skip
    assert reviews.labels == {"a": 5, "b": 4}
    assert reviews.records == {"train": 6, "test": 3}
    assert (found["law"].kind, found["qa"].kind) == ("text", "answer")
    assert found["law"].paths == {"train": "law"}


def test_files_of_one_name_are_two_tasks(tmp_path):
    for folder in ("a", "b"):
        write_jsonl(tmp_path / folder / "qa.jsonl", [{"prompt": "p", "completion": folder}])
    found = inspect_files(["a/qa.jsonl", "b/qa.jsonl"], tmp_path)
    assert [one.name for one in found] == ["qa", "qa_2"]


def test_all_mistakes_at_once(tmp_path):
    (tmp_path / "a.jsonl").write_text("{")
    (tmp_path / "b.jsonl").write_text('{"x": 1}')
    with pytest.raises(DataError) as error:
        inspect_files(["a.jsonl", "b.jsonl", "c.json"], tmp_path)
    first, second, third = error.value.mistakes
    assert first.startswith("a.jsonl:1: broken JSON")
    assert second.startswith("b.jsonl:1: no known format has the fields 'x'")
    assert third == "c.json: no such file; did you mean 'b.jsonl' or 'a.jsonl'?"


def test_judged_answers_are_known(tmp_path):
    write_jsonl(tmp_path / "p.jsonl", [{"prompt": "p", "chosen": "x", "rejected": "y"}])
    (found,) = inspect_files(["p.jsonl"], tmp_path)
    assert (found.format, found.kind, found.labels) == ("pairs", "feedback", {})


@needs_data
def test_published_files():
    found = inspect_files(["classification/snips", "raw_text/law", "instructions/gsm8k"], DATA)
    assert [(one.name, one.format) for one in found] == [
        ("snips", "classification"), ("law", "text"), ("gsm8k", "question_answering"),
    ]  # fmt: skip
    assert len(found[0].labels) == 7


def test_a_pattern_with_files_of_several_splits_is_those_files(tmp_path):
    """Else test records would be learnt from, and cleaned."""
    for name in ("d/train.jsonl", "d/test.jsonl", "e/a.jsonl", "e/b.jsonl", "f/x_dev.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('{"text": "a b", "label": "x"}\n')
    paths = ["d/*.jsonl", "e/*.jsonl", "*/x_*.jsonl", "g/*.jsonl"]
    assert expanded(paths, tmp_path) == [
        "d/test.jsonl", "d/train.jsonl", "e/*.jsonl", "f/x_dev.jsonl", "g/*.jsonl",
    ]  # fmt: skip
