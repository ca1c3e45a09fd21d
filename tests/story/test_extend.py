"""A finished run learns a new task, and what that did to its old ones is measured."""

import json

import pytest
import yaml

import tiny
import tiny_run
from refused import hashes, refused, untouched

NEW = {
    "tall": ("the tower is high", "the mill is high"),
    "low": ("the river is flat", "the garden is flat"),
}


def recipe(stages, **more):
    """Two stages of one task each, with a LoRA adapter on a base in the recipe's folder."""
    keys = tiny_run.keys()
    keys["model"] = {"base": "base", "adapter": {"kind": "lora", "rank": 2}}
    keys["stages"] = stages
    keys["evaluate"] = {"draws": 200, "base": False}
    return keys | more


def stage(name, task, steps=4):
    return {"name": name, "learn": [task], "steps": steps, "batch": {"rows": 4}}


@pytest.fixture(scope="module")
def old(forker, tmp_path_factory):
    """A finished run of mood, then echo; and a file of a new task."""
    folder = tmp_path_factory.mktemp("old")
    held = tiny.model()
    held.network.save_pretrained(folder / "base")
    held.tokenizer.save_pretrained(folder / "base")
    path = tiny_run.write_recipe(folder, recipe([stage("one", "mood"), stage("two", "echo")]))
    rows = [
        json.dumps({"text": f"{text}, number {n}", "label": label}) + "\n"
        for label, texts in NEW.items()
        for text in texts
        for n in range(20)
    ]
    (folder / "size.jsonl").write_text("".join(rows), encoding="utf-8")
    answer = forker.madrigal("run", path, "--out", folder / "run")
    assert answer["code"] == 0, answer["said"]
    return folder


def extend(forker, old, out, *more):
    """The new task, learnt in a few steps."""
    task = f"size={old / 'size.jsonl'}"
    sets = ("--set", "stages.0.steps=4", *more)
    return forker.madrigal("extend", old / "run", "--task", task, "--out", out, *sets)


def scores(run):
    return json.loads((run / "scores.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("kept", ["replay", "ewc", "distill", "merge", "{kind: interpolate}"])
def test_old_tasks_are_scored_before_and_after_and_the_old_run_stays(forker, old, tmp_path, kept):
    before = hashes(old / "run")
    answer = extend(forker, old, tmp_path / "more", "--set", f"stages.0.retain=[{kept}]")
    assert answer["code"] == 0, answer["said"]
    assert hashes(old / "run") == before
    found = scores(tmp_path / "more")
    assert [row["stage"] for row in found["rows"]] == ["base", "01-extend"]
    assert all(set(row["scores"]) == {"mood", "echo", "size"} for row in found["rows"])
    assert found["before"] == ["mood", "echo"]
    # Where it begins is where the old run ended.
    ended = scores(old / "run")["rows"][-1]["scores"]
    began = found["rows"][0]["scores"]
    assert {t: began[t]["value"] for t in ended} == {t: s["value"] for t, s in ended.items()}
    assert found["summary"]["bwt"] is not None
    assert set(found["summary"]["since_learned"]) == {"mood", "echo"}


def test_killed_and_resumed_it_is_the_same(forker, old, tmp_path):
    """Both remedies that look at the old run's data, resumed from nothing but what is kept."""
    sets = ("--set", "stages.0.retain=[replay, ewc]", "--set", "stages.0.checkpoint_every=1")
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    assert extend(forker, old, whole, *sets)["code"] == 0
    assert extend(forker, old, torn, *sets)["code"] == 0
    for path in (torn / "stages" / "01-extend" / "done.json", torn / "scores.json"):
        path.unlink()
    checkpoints = sorted((torn / "stages" / "01-extend" / "checkpoints").iterdir())
    for path in checkpoints[-1].iterdir():
        path.unlink()
    for path in (torn / "predictions" / "01-extend").iterdir():
        path.unlink()
    answer = extend(forker, old, torn, *sets, "--resume")
    assert answer["code"] == 0, answer["said"]
    assert scores(torn) == scores(whole)
    kept = "stages/00-before/kept/"
    one, two = hashes(whole), hashes(torn)
    names = [n for n in one if n.startswith(kept) or n.endswith("adapter_model.safetensors")]
    assert len(names) == 4
    assert {n: one[n] for n in names if "costs" not in n} == {
        n: two[n] for n in names if "costs" not in n
    }


def test_a_model_that_began_with_fresh_weights_keeps_its_tokenizer(forker, old, tmp_path):
    path = old / "fresh.yaml"
    keys = recipe([stage("one", "mood")]) | {"model": tiny_run.keys()["model"]}
    path.write_text(yaml.safe_dump(keys | {"tasks": {"mood": keys["tasks"]["mood"]}}))
    assert forker.madrigal("run", path, "--out", tmp_path / "fresh")["code"] == 0
    task = f"size={old / 'size.jsonl'}"
    more = tmp_path / "more"
    answer = forker.madrigal("extend", tmp_path / "fresh", "--task", task, "--out", more)
    assert answer["code"] == 0, answer["said"]
    began, ended = scores(more)["rows"][0]["scores"], scores(tmp_path / "fresh")["rows"][-1]
    assert began["mood"]["value"] == ended["scores"]["mood"]["value"]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--set", "model.adapter.rank=3"), "its adapter does not fit the recipe's"),
        (("--task", "mood=nowhere"), "the run has a task 'mood' already; rename this one"),
        (("--task", "law"), "write NAME=FILE, for example --task law=law.jsonl"),
        (("--task", "law=nowhere"), "there is no nowhere; name a file of examples"),
        (("--set", "start_from.learned=[mood, echo, size]"), "taught no 'size' until 02-two"),
        (("--set", "start_from.learned=[mood]"), "recipe: tasks.echo: no stage learns it and"),
    ],
)
def test_what_does_not_fit_is_one_line(forker, old, tmp_path, more, sentence):
    with untouched(old / "run"):
        answer = extend(forker, old, tmp_path / "x", *more)
    assert sentence in refused(answer)
    assert not (tmp_path / "x").exists()


def test_it_does_not_write_into_the_run_it_goes_on_from(forker, old):
    with untouched(old / "run"):
        answer = extend(forker, old, old / "run")
    assert "is the run to go on from; choose another --out" in refused(answer)


def test_what_was_extended_is_extended_again(forker, old, tmp_path):
    """And what the first extension kept the past by, the second keeps it by."""
    ewc = ("--set", "stages.0.retain=[{kind: ewc, strength: 7}]")
    assert extend(forker, old, tmp_path / "more", *ewc)["code"] == 0
    before = hashes(tmp_path / "more")
    rows = [
        {"text": f"the bell rings {n}", "label": "loud" if n % 2 else "soft"} for n in range(40)
    ]
    (tmp_path / "bell.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    task = f"bell={tmp_path / 'bell.jsonl'}"
    answer = forker.madrigal(
        "extend", tmp_path / "more", "--task", task, "--out", tmp_path / "again"
    )
    assert answer["code"] == 0, answer["said"]
    assert hashes(tmp_path / "more") == before
    found = scores(tmp_path / "again")
    assert set(found["rows"][-1]["scores"]) == {"mood", "echo", "size", "bell"}
    assert found["before"] == ["mood", "echo", "size"]
    kept = yaml.safe_load((tmp_path / "again" / "recipe.yaml").read_text())["stages"][0]["retain"]
    assert [(one["kind"], one["strength"]) for one in kept] == [("ewc", 7)]
