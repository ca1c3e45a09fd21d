"""Somebody brings judged answers with mistakes in them: `madrigal check` says all of them."""

import json
import os
import re

import pytest
import yaml
from safetensors import safe_open
from safetensors.torch import save_file

import retained
from madrigal.cli.app import main

TWO = {"response_1": "x", "response_2": "y"}
HH = "Human: {}\n\nAssistant: {}"

# Of each mistake: the fields of a good row and of a bad one, other settings, and what is said.
BAD = {
    "same": ({"chosen": "x", "rejected": "y"}, {"rejected": "x"}, {}, "the same text"),
    "empty": ({"chosen": "x", "rejected": "y"}, {"chosen": ""}, {}, "'chosen' is empty"),
    "gap": (
        {"answers": ["x", "y", "z"], "ranking": [1, 2, 3]}, {"ranking": [3, 1]}, {}, "has a gap"
    ),
    "unknown": (
        {"answers": ["x", "y", "z"], "ranking": [1, 2, 3]}, {"ranking": [1, 2, 4]}, {},
        "names '4', and there are the answers '1', '2', '3'",
    ),
    "scale": (
        {"completion": "x", "rating": 4}, {"rating": 9}, {"feedback": {"scale": [1, 5]}},
        "the rating is 9, outside its scale from 1 to 5",
    ),
    "corrected": (
        {"original": "teh", "corrected": "the"}, {"corrected": "teh"}, {},
        "'corrected' is the same as 'original'",
    ),
    "nobody": (
        TWO | {"votes": {"ann": 1, "bob": 2, "cyd": 1}}, {"votes": [1, 2, 2]},
        {"feedback": {"aggregate": "dawid_skene"}}, "a judgement without annotator",
    ),
    "prompts": (
        {"chosen": HH.format("Hi {}?", "x"), "rejected": HH.format("Hi {}?", "y")},
        {"rejected": HH.format("Ho?", "y")}, {}, "answer different prompts",
    ),
}  # fmt: skip
DIALOGUES = ("prompts",)
OBJECTIVES = {"scale": "kto", "corrected": "correction"}


def recipe(folder, on_bad, judged=tuple(BAD)):
    tasks = {}
    for name in judged:
        good, bad, settings, _ = BAD[name]
        rows = []
        for number in range(41):
            row = {} if name in DIALOGUES else {"prompt": f"p {number}"}
            row |= good | (bad if number == 2 else {})
            rows.append(json.loads(json.dumps(row).replace("Hi {}?", f"Hi {number}?")))
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
        tasks[name] = {"data": {"train": f"{name}.jsonl", "on_bad": on_bad}, **settings}
    stage = {"name": "all", "learn": [*tasks], "steps": 1}
    stage["objective"] = {name: OBJECTIVES.get(name, "dpo") for name in tasks}
    keys = {"name": "bad", "model": {"base": "madrigal/base-xs", "adapter": "full"}}
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(keys | {"tasks": tasks, "stages": [stage]}), encoding="utf-8")
    return path


@pytest.fixture
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")


def test_strict_by_default_each_with_its_file_and_line(tmp_path, wide, capsys):
    before = None
    path = recipe(tmp_path, "error")
    before = sorted(os.listdir(tmp_path))
    assert main(["check", str(path)]) == 2
    said = capsys.readouterr().err
    for name, (_, _, _, sentence) in BAD.items():
        (line,) = [one for one in said.splitlines() if f"{name}.jsonl:" in one]
        assert f"{name}.jsonl:3: " in line
        assert sentence in line
    assert "Traceback" not in said
    assert sorted(os.listdir(tmp_path)) == before


def test_dropped_counted_and_listed(tmp_path, wide, capsys):
    # Where annotators are missing they cannot be weighed: that is not a mistake of single rows.
    some = tuple(name for name in BAD if name != "nobody")
    assert main(["check", str(recipe(tmp_path, "drop", some))]) == 0
    said = re.sub(r"\s+", " ", capsys.readouterr().out)
    for name in some:
        assert f"{name}: 1 bad row was dropped (data.on_bad): {name}.jsonl:3: " in said
        assert BAD[name][3] in said


def test_a_kept_reference_of_another_model_is_refused(tmp_path, monkeypatch, wide, capsys):
    monkeypatch.setenv("MADRIGAL_CACHE", str(tmp_path / "cache"))
    retained.write(tmp_path)
    keys = retained.keys([], retained.LORA, 0.0)
    stage = {"name": "prefer", "learn": ["liked"], "steps": 1, "objective": {"liked": "dpo"}}
    keys |= {"tasks": {"liked": retained.LIKED}, "stages": [stage]}
    keys["evaluate"] = {"base": False, "draws": 200, "kl": False, "written": 0}
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(keys), encoding="utf-8")
    assert main(["run", str(path), "--out", str(tmp_path / "one")]) == 0
    (kept,) = (tmp_path / "cache" / "reference").iterdir()
    with safe_open(kept, "pt") as file:
        held, about = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    save_file(held, kept, about | {"model": "another"})
    capsys.readouterr()
    assert main(["run", str(path), "--out", str(tmp_path / "two")]) == 2
    said = capsys.readouterr().err
    assert (
        f"{kept}: holds reference log-probabilities of another model; delete the file, and they "
        "are computed again"
    ) in re.sub(r"\s+", " ", said)
    assert "Traceback" not in said
