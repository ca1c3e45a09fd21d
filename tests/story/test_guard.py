"""The guard on forgetting: it trips where a stage undoes what was learnt, and nowhere else."""

import json
import random

import pytest

import tiny_run
from madrigal.pipeline.run import run

LIMIT = 0.15
SEEDS = (0, 1, 2)
COUNTS = {"train": 120, "validation": 60, "test": 40}
SWAPPED = {"good": "bad", "bad": "good"}


def moods(count, seed, swapped=False):
    """Sentences whose label follows from one word, or its opposite."""
    rows = list(tiny_run._moods(count, random.Random(seed)))
    return [row | {"label": SWAPPED[row["label"]]} for row in rows] if swapped else rows


def written(folder, second, seed, guard=None, **stage):
    """`mood` is learnt, then `second`: 'against' swaps the labels, 'along' has the same."""
    folder.mkdir(parents=True, exist_ok=True)
    tasks = {}
    for name in ("mood", second):
        for place, (split, count) in enumerate(COUNTS.items()):
            rows = moods(count, 10 * place + (name != "mood"), swapped=name == "against")
            path = folder / f"{name}.{split}.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        splits = ("train", "validation", "test")
        tasks[name] = {"data": {split: f"{name}.{split}.jsonl" for split in splits}}
        tasks[name]["prompt"] = "{text}:"
    keys = tiny_run.keys() | {"tasks": tasks, "seed": seed}
    keys["model"]["new"]["dropout"] = 0.0
    plain = {"steps": 60, "batch": {"rows": 12}, "optimiser": {"learning_rate": 0.01}}
    keys["stages"] = [
        {"name": "first", "learn": ["mood"], **plain},
        {"name": "second", "learn": [second], **plain, **stage}
        | ({"guard": guard} if guard else {}),
    ]
    keys["evaluate"] = {"base": False, "draws": 200}
    path = folder / "recipe.json"
    path.write_text(json.dumps(keys), encoding="utf-8")
    return path


def trained(folder, *args, **more):
    """The finished stage's record, its events, and the first task's last score."""
    from madrigal.recipe.load import load_recipe

    out = run(load_recipe(written(folder, *args, **more)), folder / "run")
    place = out / "stages" / "02-second"
    events = place / "events.jsonl"
    told = [json.loads(line) for line in events.read_text().splitlines()] if events.exists() else []
    rows = json.loads((out / "scores.json").read_text())["rows"]
    score = {row["stage"]: row["scores"]["mood"]["value"] for row in rows}
    return json.loads((place / "done.json").read_text()), told, score


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("then", ["roll_back", "stop"])
def test_it_trips_on_what_undoes_the_first_task(tmp_path, seed, then):
    guard = {"forgetting": LIMIT, "then": then}
    done, told, score = trained(tmp_path, "against", seed, guard, validate_every=5)
    assert score["01-first"] == 1.0  # else there is nothing to lose
    assert done["steps"] < 60
    assert [one["kind"] for one in told] == ["guard"]
    assert "mood lost" in told[0]["text"]
    assert "surely more than 0.15" in told[0]["text"]
    if then == "roll_back":
        assert done["weights_of_step"] == done["steps"] - 5
        assert score["02-second"] >= 0.7
    else:
        assert done["weights_of_step"] == done["steps"]


@pytest.mark.parametrize("seed", SEEDS)
def test_it_is_quiet_on_the_clean_twin(tmp_path, seed):
    done, told, score = trained(tmp_path, "along", seed, {"forgetting": LIMIT}, validate_every=5)
    assert (done["steps"], done["stopped"], told) == (60, "", [])
    assert score["02-second"] == 1.0


def test_without_it_the_harm_is_real(tmp_path):
    done, _, score = trained(tmp_path, "against", 0)
    assert done["steps"] == 60
    assert score["01-first"] == 1.0
    assert score["02-second"] <= 0.7
