"""Three tasks by likelihood and two preference sets by DPO at once: who conflicts is on the page.

The twin of `recipes/real/preferences.yaml`, on a tiny model. The second set prefers what the first
one rejects, so that there is a conflict to be found.
"""

import json
import re
from pathlib import Path

import pytest
import yaml

import retained
from madrigal.recipe.load import load_recipe
from madrigal.report import write_report

ROOT = Path(__file__).parents[2]


TASKS = ("m1", "m2", "m3", "liked", "contrary")
STEPS = 30


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("five")
    retained.write(folder)
    for split in ("train", "test"):
        rows = retained.rows(folder / f"liked.{split}.jsonl")
        swapped = [row | {"chosen": row["rejected"], "rejected": row["chosen"]} for row in rows]
        lines = "".join(json.dumps(row) + "\n" for row in swapped)
        (folder / f"contrary.{split}.jsonl").write_text(lines, encoding="utf-8")
    recipe = retained.keys([], retained.LORA, 0.0)
    contrary = {split: f"contrary.{split}.jsonl" for split in ("train", "test")}
    tasks = recipe["tasks"] | {"contrary": {"data": contrary}}
    tasks["liked"] = tasks["liked"] | {"max_new_tokens": 8}
    tasks["contrary"] |= {"max_new_tokens": 8}
    stage = {
        "name": "prefer",
        "learn": list(TASKS),
        "steps": STEPS,
        "batch": {"rows": 15},
        "mixture": "uniform",
        "balance": "upgrad",
        "objective": {name: {"kind": "dpo"} for name in ("liked", "contrary")},
        "gradients": {"measure_every": 1},
        "optimiser": {"learning_rate": 0.003},
    }
    tasks = {name: tasks[name] for name in TASKS}
    recipe |= {"tasks": tasks, "stages": [stage], "evaluate": {"draws": 200, "written": 2}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MADRIGAL_CACHE", str(folder / "cache"))
        return retained.train(folder, recipe, folder / "run")


def test_every_pair_of_tasks_is_measured_and_all_five_learn(done):
    steps = retained.rows(done / "stages" / "01-prefer" / "steps.jsonl")
    assert {len(step["conflict"]["cosine"]) for step in steps} == {10}
    assert all(step["loss"].keys() == set(TASKS) for step in steps)
    for name in TASKS[:3]:
        assert steps[-1]["loss"][name] < steps[0]["loss"][name]


def test_the_page_names_the_two_sets_that_conflict_and_not_those_that_agree(done):
    page = write_report(done).read_text(encoding="utf-8")
    assert "liked and contrary pull against each other throughout: cosine −1.00" in page
    fights = page[page.index('<section id="interference">') :]
    rows = re.findall(r'<th scope="row">(\w+, \w+)</th>.*?verdict-cell (\w+)', fights, re.DOTALL)
    verdicts = {frozenset(pair.split(", ")): state for pair, state in rows}
    assert len(verdicts) == 10
    assert verdicts[frozenset({"liked", "contrary"})] == "conflict"
    moods = [{"m1", "m2"}, {"m1", "m3"}, {"m2", "m3"}]
    assert all(verdicts[frozenset(pair)] != "conflict" for pair in moods)
    assert "What the other tasks paid" in page
    for name in ("liked", "contrary"):
        assert f"The preferred answers of {name} " in page


def test_the_recipe_that_is_shipped_has_the_same_shape(monkeypatch):
    monkeypatch.setenv("MADRIGAL_DATA", "/")
    path = ROOT / "recipes" / "real" / "preferences.yaml"
    stage = load_recipe(path).recipe.stages[-1]
    assert len(stage.learn) == len(TASKS)
    assert [one.kind for one in stage.objective.values()] == ["dpo", "dpo"]
    assert stage.balance.kind == "upgrad"
    assert set(stage.learn) == set(yaml.safe_load(path.read_text(encoding="utf-8"))["tasks"])
