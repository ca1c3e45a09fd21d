"""What holds for every bundled task: sizes, sameness everywhere, clean splits, good English."""

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter

import pytest

from bundled_made import made, prompt, rows
from bundled_solvers import SOLVERS
from madrigal.tasks.bundled import BUNDLED

NAMES = sorted(BUNDLED)
SPLITS = ("train", "validation", "test")
KINDS = {"sentiment": "choice", "inference": "choice"}  # the others are free answers
METRICS = {
    "sentiment": "accuracy",
    "inference": "accuracy",
    "passages": "exact_match",
    "titles": "rouge_l",
    "translation": "chrf",
    "clock": "exact_match",
}
# SHA-256 of all rows as JSON, first sixteen digits. A change here changes everybody's scores.
HASHES: dict[str, str] = {
    "clock": "a556dbdef51976a3",
    "inference": "32387b071d385f76",
    "passages": "dc264250e754e84a",
    "sentiment": "046365d62e1b3892",
    "titles": "7e987901dfd412d4",
    "translation": "6c40833985efef55",
}

HASH_ALL = """
import hashlib, json, sys
from madrigal.tasks.bundled import BUNDLED
heavy = {"torch", "transformers", "sklearn", "datasets"} & set(sys.modules)
assert not heavy, heavy
for name, make in sorted(BUNDLED.items()):
    text = json.dumps(make().rows, sort_keys=True, ensure_ascii=False)
    print(name, hashlib.sha256(text.encode()).hexdigest()[:16])
"""


def target(row: dict) -> str:
    return row["answers"][0] if "answers" in row else row.get("label") or row["output"]


def test_there_are_six_tasks_under_their_names():
    assert sorted(SOLVERS) == NAMES
    assert [made(name).name for name in NAMES] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_sizes(name):
    assert {split: len(made(name).rows[split]) for split in SPLITS} == {
        "train": 2400,
        "validation": 240,
        "test": 300,
    }


def of_process(program: str, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("seed", ["1", "2"])
def test_rows_are_the_same_in_every_process(seed):
    lines = of_process(HASH_ALL, PYTHONHASHSEED=seed).splitlines()
    assert dict(line.split() for line in lines) == HASHES


@pytest.mark.parametrize("name", NAMES)
def test_a_task_is_made_anew_and_quickly(name):
    before = time.process_time()
    again = BUNDLED[name]()
    assert time.process_time() - before < 2.0
    assert again == made(name)
    assert again.rows["train"][0] is not made(name).rows["train"][0]


@pytest.mark.parametrize("name", NAMES)
def test_no_prompt_stands_twice(name):
    prompts = [prompt(made(name), row) for row in rows(name, *SPLITS)]
    assert len(set(prompts)) == len(prompts) == 2940


@pytest.mark.parametrize("name", NAMES)
def test_prompts_are_short(name):
    lengths = [len(prompt(made(name), row).split()) for row in rows(name, *SPLITS)]
    assert min(lengths) >= 5
    assert max(lengths) <= 45
    assert sum(lengths) / len(lengths) < 25


# In a process of its own: under the type checks of the tests it would take a minute.
LOAD_ALL = """
import json
from pathlib import Path
from madrigal.recipe.task import TaskSettings
from madrigal.tasks.bundled import BUNDLED
from madrigal.tasks.load import load_task
for name in BUNDLED:
    settings = TaskSettings.model_validate({"data": {"bundled": name, "max_validation": None}})
    task = load_task(name, settings, Path(), seed=0)
    sizes = [len(task.splits[split]) for split in ("train", "validation", "test")]
    print(json.dumps([name, sizes, task.kind, task.metric, task.cluster, task.notes]))
"""


def test_every_task_loads_as_an_ordinary_one_and_loses_nothing():
    lines = [json.loads(line) for line in of_process(LOAD_ALL).splitlines()]
    clusters = {name: made(name).settings.get("cluster") for name in NAMES}
    assert sorted(lines) == [
        [name, [2400, 240, 300], KINDS.get(name, "answer"), METRICS[name], clusters[name], []]
        for name in NAMES
    ]


@pytest.mark.parametrize("name", NAMES)
def test_an_independent_rule_finds_every_answer(name):
    wrong = [row for row in rows(name, *SPLITS) if SOLVERS[name](row) != target(row)]
    assert not wrong[:3]


@pytest.mark.parametrize("name", NAMES)
def test_english_is_well_formed(name):
    for row in rows(name, *SPLITS):
        for field in ("text", "premise", "hypothesis", "context", "question", "input"):
            text = row.get(field)
            if text is None:
                continue
            assert not re.search(r"[{}]|a/an|  ", text), text
            assert re.fullmatch(r"[A-Z].*[.?!]", text), text
            assert not re.search(r"[.!?] [a-z]", text), text
            assert not re.search(r"\b[Aa] [aeioAEIO]", text), text
            assert not re.search(r"\b[Aa]n [^aeiouAEIOU]", text), text


def test_labels_are_balanced_in_every_split():
    for name in ("sentiment", "inference"):
        for split in SPLITS:
            counts = Counter(row["label"] for row in rows(name, split))
            assert max(counts.values()) == min(counts.values()), (name, split)


@pytest.mark.parametrize("name", ["passages", "titles", "translation", "clock"])
def test_free_answers_are_many_and_none_is_frequent(name):
    answers = Counter(target(row) for row in rows(name, "test"))
    assert len(answers) >= 40
    assert answers.most_common(1)[0][1] <= 0.05 * 300


def test_the_hash_is_of_all_rows():
    text = json.dumps(made("clock").rows, sort_keys=True, ensure_ascii=False)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == HASHES["clock"]
