"""What one task holds out, no other task trains on."""

import pytest

from madrigal.recipe.schema import Recipe
from madrigal.tasks.load import load_tasks
from tasks_made import mistakes_of, write_jsonl


def rows(start, stop, completion="x"):
    return [{"prompt": f"question {i}?", "completion": completion} for i in range(start, stop)]


def tasks_of(root, tasks, general=()):
    learn = [name for name in tasks if name not in general]
    stages = [{"name": "s", "learn": learn, "steps": 1}] if learn else []
    keys = {"name": "r", "tasks": tasks, "stages": stages, "evaluate": {"general": list(general)}}
    return load_tasks(Recipe.model_validate(keys), root)


def prompts(task, *splits):
    return {record.prompt for split in splits for record in task.splits[split]}


@pytest.fixture
def folder(tmp_path):
    # Task a trains on 0..59, b is tested on 40..51 in other capitals and validated on 59.
    write_jsonl(tmp_path / "a.jsonl", rows(0, 60))
    write_jsonl(tmp_path / "a-test.jsonl", rows(900, 910))
    write_jsonl(tmp_path / "b.jsonl", rows(200, 260, "y"))
    upper = [{**row, "prompt": row["prompt"].upper()} for row in rows(40, 52, "y")]
    write_jsonl(tmp_path / "b-test.jsonl", upper)
    write_jsonl(tmp_path / "b-dev.jsonl", rows(59, 60, "y"))
    return tmp_path


A = {"data": {"train": "a.jsonl", "test": "a-test.jsonl", "split": {"validation": 0.0}}}
B = {"data": {"train": "b.jsonl", "test": "b-test.jsonl", "validation": "b-dev.jsonl"}}


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_what_another_task_holds_out_is_left_out_and_told(folder, order):
    made = {"a": A, "b": B}
    tasks = tasks_of(folder, {name: made[name] for name in order})
    kept = {f"question {i}?" for i in (*range(40), *range(52, 59))}
    assert prompts(tasks["a"], "train") == kept
    assert tasks["a"].notes[-2:] == (
        "12 training records are test records of 'b' and are left out",
        "1 training record is a validation record of 'b' and is left out",
    )
    assert (tasks["a"].counts["train"], tasks["a"].counts["dropped"]) == (47, 13)
    assert len(tasks["b"].splits["test"]) == 12, "what is held out stays"
    assert tasks["b"].counts["dropped"] == 0


def test_a_task_that_is_only_watched_holds_out_too(folder):
    tasks = tasks_of(folder, {"a": A, "g": {"data": {"test": "b-test.jsonl"}}}, general=["g"])
    assert not {p.lower() for p in prompts(tasks["g"], "test")} & prompts(tasks["a"], "train")
    assert "12 training records are test records of 'g' and are left out" in tasks["a"].notes


def test_nothing_in_common_says_nothing(folder):
    tasks = tasks_of(folder, {"a": A, "g": {"data": {"test": "b.jsonl"}}}, general=["g"])
    assert tasks["a"].counts["dropped"] == 0
    assert not [note for note in tasks["a"].notes if "left out" in note]


def test_raw_text_is_compared_by_whole_documents(tmp_path):
    documents = [{"text": f"The tale of number {i}. " * 20} for i in range(60)]
    write_jsonl(tmp_path / "a.jsonl", documents)
    half = documents[3]["text"][:200]
    write_jsonl(tmp_path / "b.jsonl", [*documents[10:14], {"text": half}])
    tasks = tasks_of(
        tmp_path, {"a": {"data": "a.jsonl"}, "g": {"data": {"test": "b.jsonl"}}}, general=["g"]
    )
    kept = {record.text for record in tasks["a"].splits["train"]}
    assert not kept & {one["text"] for one in documents[10:14]}
    lost = tasks["a"].counts["dropped"]
    assert 0 < lost <= 4, "some of the four may be held out in a as well"
    assert tasks["a"].counts["train"] == len(kept)
    assert [note for note in tasks["a"].notes if note.startswith(f"{lost} training record")]


def test_a_task_of_which_nothing_is_left(folder):
    write_jsonl(folder / "c.jsonl", rows(40, 52))
    data = {"train": "c.jsonl", "test": "a-test.jsonl", "split": {"validation": 0.0}}
    stages = [{"name": "s", "learn": ["c", "b"], "steps": 1}]
    assert mistakes_of(folder, {"c": {"data": data}, "b": B}, stages) == (
        "tasks.c.data: all training records are held out by other tasks: 12 training records are "
        "test records of 'b' and are left out; name other training data",
    )
