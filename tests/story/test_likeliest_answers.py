"""A guard looks at the likeliest answers: told, bounded, and the same in a run that was killed."""

import json
import sys

import pytest

import retained
import tiny_run
from acting import KINDS, keys

LOOKS = "stages/02-act/looks.jsonl"
LORA = {"kind": "lora", "rank": 4}


def recipe_of(kind, steps=6, guard=None, **more):
    objective = KINDS[kind] | {"gold": {"kind": "exact"}, **more}
    objective["guard"] = {"every": 2, "window": 2, **(guard or {})}
    return keys(objective, steps)


@pytest.mark.parametrize("kind", ["grpo", "ppo", "online_dpo", "lora"])
def test_killed_and_resumed_is_bit_identical(kind, tmp_path):
    retained.write(tmp_path)
    tiny_run.write_data(tmp_path)
    recipe = recipe_of("rloo" if kind == "lora" else kind)
    if kind == "lora":
        recipe["model"] = {"base": "base", "adapter": LORA, "precision": "float32"}
    whole = retained.train(tmp_path, recipe, tmp_path / "whole")
    steps = [row["step"] for row in retained.rows(whole / LOOKS)]
    assert steps[0] == 0
    assert steps[-1] == 6
    out = tmp_path / "killed"
    # Before anything was kept, between a look and the checkpoint that it is about, at the end.
    for step in (0, steps[1], 6):
        assert retained.dies(tmp_path, recipe, out, ("line", LOOKS, step))
    retained.train(tmp_path, recipe, out, resume=True)
    assert retained.untimed(out) == retained.untimed(whole)


def test_what_is_told_of_a_look(tmp_path):
    tiny_run.write_data(tmp_path)
    held = recipe_of("rloo", guard={"likeliest": 8})
    held["tasks"]["echo"]["data"]["train"] = "echo.train.jsonl"
    rows = retained.rows(retained.train(tmp_path, held, tmp_path / "run") / LOOKS)
    assert [row["step"] for row in rows] == [0, 2, 4, 6]
    for row in rows:
        assert (row["task"], row["prompts"]) == ("echo", 8)
        assert set(row["means"]) == {"gold", "reward", "tokens", "cut"}
        assert row["means"]["gold"] == row["means"]["reward"]  # the same rule
        assert len(row["samples"]) == 2
        assert row["seconds"] > 0


@pytest.mark.parametrize("missing", ["gold", "guard", "likeliest"])
def test_nobody_looks_where_nobody_asked(missing, tmp_path):
    tiny_run.write_data(tmp_path)
    held = recipe_of("rloo", 2, {"likeliest": None} if missing == "likeliest" else {})
    objective = held["stages"][1]["objective"]["echo"]
    if missing == "gold":
        del objective["gold"]
    if missing == "guard":
        objective["guard"] = None
    run = retained.train(tmp_path, held, tmp_path / "run")
    assert not (run / LOOKS).exists()


# The gold reward of the likeliest answers, look by look: there are 20 of them, and fewer are drawn.
GOLD = """
looks = {looks}
calls = [0]
def gold(prompts, answers, accepted):
    if len(answers) < 20:
        return [n % 2 for n in range(len(answers))]
    calls[0] += 1
    return [float(n >= looks[calls[0] - 1]) for n in range(len(answers))]
def paid(prompts, answers, accepted):
    return [float(n % 2 + {rises} * calls[0]) for n in range(len(answers))]
"""


def run_with(folder, looks, rises, **guard):
    """A run in which so many of 20 likeliest answers are wrong by the gold reward at each look."""
    tiny_run.write_data(folder)
    text = GOLD.format(looks=looks, rises=rises)
    (folder / "planned.py").write_text(text, encoding="utf-8")
    names = {k: {"kind": "function", "name": f"planned.{v}"} for k, v in
             (("gold", "gold"), ("reward", "paid"))}  # fmt: skip
    held = recipe_of("rloo", 8, {"likeliest": 20, **guard}, **names)
    run = retained.train(folder, held, folder / "run")
    events = run / "stages/02-act/events.jsonl"
    told = [(row["step"], row["kind"]) for row in retained.rows(events)] if events.exists() else []
    return told, json.loads((run / "stages/02-act/done.json").read_text())


@pytest.mark.parametrize("rises", [0, 1])
def test_likeliest_answers_that_get_worse_are_not_the_result(rises, tmp_path, monkeypatch):
    """What is drawn is as good as ever, so no other guard sees it."""
    monkeypatch.delitem(sys.modules, "planned", raising=False)
    told, done = run_with(tmp_path, [0, 0, 0, 12, 12], rises)
    if rises:  # exploited: found at step 6, and gone back
        assert told[:2] == [(6, "sign"), (6, "rolled_back")]
    else:
        assert told == [(8, "sign")]
        assert done["weights_of_step"] < 6
        assert "At the end: The likeliest answers to 20 held-out prompts" in done["stopped"]


def test_a_guard_that_does_not_look_sees_nothing(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "planned", raising=False)
    told, done = run_with(tmp_path, [0, 0, 0, 12, 12], 0, likeliest=None)
    assert told == []
    assert done["weights_of_step"] == 8


def test_the_clean_twin_keeps_its_last_step(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "planned", raising=False)
    told, done = run_with(tmp_path, [0, 0, 1, 1, 0], 1)
    assert told == []
    assert done["weights_of_step"] == 8
