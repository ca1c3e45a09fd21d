"""Answers that end unlike the others of their task."""

import random

import pytest

from curated import curated, told

WORDS = [
    "boat",
    "river",
    "stone",
    "light",
    "garden",
    "small",
    "green",
    "old",
    "runs",
    "sees",
    "two",
]


def answers(count: int, ending: str, seed: int = 0) -> list[dict[str, str]]:
    dice = random.Random(seed)
    return [
        {"question": f"What about {i * 7919}?",
         "answer": " ".join(dice.choices(WORDS, k=dice.randint(12, 30))) + ending.format(i)}
        for i in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize("ending", [".", " #### {}", " </answer>", ". Yours truly, Ann"])
def test_an_answer_cut_off_is_told_by_how_the_others_end(tmp_path, ending):
    rows = answers(300, ending)
    for place in (17, 120, 250):
        rows[place]["answer"] = " ".join(rows[place]["answer"].split()[:10]) + " stone"
    found = told(curated(tmp_path, rows), "truncated_answer")
    assert set(found) == {"train.jsonl:18", "train.jsonl:121", "train.jsonl:251"}
    assert found["train.jsonl:18"][1].startswith("unlike the other answers, ends: … ")


def test_nothing_is_said_where_answers_end_anyhow(tmp_path):
    assert told(curated(tmp_path, answers(300, "")), "truncated_answer") == {}


def test_an_ending_that_many_answers_have_is_one_of_theirs(tmp_path):
    rows = [*answers(180, "."), *answers(120, "", seed=1)]
    # Four answers of ten end so: chance makes one or another look surer.
    assert len(told(curated(tmp_path, rows), "truncated_answer")) <= 3
