"""Several questions about one passage are not independent."""

import pytest

from tasks_made import loaded, write_jsonl

SPLITS = ("train", "validation", "test")


def questions(passages, each, name="context"):
    return [
        {name: f"Passage {i}.", "question": f"Question {i}-{j}?", "answer": "yes"}
        for i in range(passages)
        for j in range(each)
    ]


def chosen(passages, each):
    return [{**row, "choices": ["yes", "no"]} for row in questions(passages, each, "passage")]


def labelled(passages, each):
    rows = questions(passages, each, "passage")
    for place, row in enumerate(rows):
        row.pop("answer")
        row["label"] = ["true", "false"][place % 2]
    return rows


@pytest.mark.parametrize(
    ("make", "field", "format"),
    [
        (questions, "context", "question_answering"),
        (chosen, "passage", "multiple_choice"),
        (labelled, "passage", "classification"),
    ],
)
def test_questions_about_a_passage_stand_on_one_side_and_are_drawn_together(
    tmp_path, make, field, format
):
    write_jsonl(tmp_path / "a.jsonl", make(100, 4))
    task = loaded("a.jsonl", tmp_path)
    assert task.format == format
    assert task.cluster == field
    held = {split: {r.fields[field] for r in task.splits[split]} for split in SPLITS}
    assert all(held.values())
    assert sum(map(len, held.values())) == 100, "no passage stands on two sides"
    assert 12 <= task.counts["test"] <= 80
    assert task.counts["dropped"] == 0


def test_a_cluster_of_the_users_own_is_kept(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", [{**row, "page": "1"} for row in questions(100, 4)])
    assert loaded("a.jsonl", tmp_path, cluster="page").cluster == "page"


def test_passages_of_one_question_each_change_nothing(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", questions(100, 1))
    assert loaded("a.jsonl", tmp_path).cluster is None


def test_of_few_passages_the_questions_are_split_and_it_is_told(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", questions(2, 200))
    task = loaded("a.jsonl", tmp_path)
    note = "only 2 different values of 'context', so records of one stand in training and in test"
    assert note in task.notes
    assert 15 < task.counts["test"] < 65
    assert task.cluster == "context"
