"""Remedies that are no `retain` have their costs too: A-GEM, and a part for each task."""

import json

import pytest
import yaml

import tiny
import tiny_run
from madrigal.cli.app import main

STAGES = [
    {"name": "first", "learn": ["mood"], "steps": 3, "batch": {"rows": 4}},
    {"name": "second", "learn": ["echo"], "steps": 4, "batch": {"rows": 4}},
]


def trained(folder, **changes):
    tiny_run.write_data(folder)
    keys = tiny_run.keys() | {"evaluate": {"draws": 200}, "stages": STAGES} | changes
    recipe = folder / "tiny.yaml"
    recipe.write_text(yaml.safe_dump(keys), encoding="utf-8")
    assert main(["run", str(recipe), "--out", str(folder / "run")]) == 0
    return folder / "run"


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    replay = {"kind": "replay", "count": 2, "keep": 6, "select": "hardest"}
    second = STAGES[1] | {"retain": [replay], "balance": "agem"}
    return trained(tmp_path_factory.mktemp("guarded"), stages=[STAGES[0], second])


def test_a_guard_holds_gradients_by_task_and_weighs_them(guarded):
    costs = read(guarded / "stages/02-second/retention.json")
    size = costs["trained_parameters"]
    rows = 2 * 2  # halves of two tasks
    assert costs["memory_bytes"]["agem"] == 4 * rows * size
    assert costs["flops"]["agem"] == 4 * (2 * rows * rows * size + 2 * rows * size)
    assert costs["flops"]["replay"] > 0
    assert "agem" not in read(guarded / "stages/01-first/retention.json")["settings"]
    lines = (guarded / "stages/02-second/steps.jsonl").read_text("utf-8").splitlines()
    assert all(
        0 < (one := json.loads(x))["retention_seconds"]["agem"] < one["seconds"] for x in lines
    )
    assert "A-GEM" in (guarded / "report.html").read_text("utf-8")


def test_choosing_has_its_operations_and_memory(guarded):
    kept = read(guarded / "stages/01-first/kept/costs.json")["replay"]
    assert kept["flops"] > 0
    assert kept["peak_memory_bytes"] >= 0
    assert kept["seconds"] > 0


def on_base(folder, adapter):
    """A run from a base that is there, for only that can stay frozen."""
    held = tiny.model(max_position_embeddings=96)
    held.network.save_pretrained(folder / "base")
    held.tokenizer.save_pretrained(folder / "base")
    return trained(folder, model={"base": "base", "adapter": {"kind": "lora", **adapter}})


def test_parts_of_other_tasks_are_held_and_served(tmp_path, tmp_path_factory):
    run = on_base(tmp_path, {"layers": "none", "private": {"rank": 2, "router": True}})
    first, second = (
        read(run / f"stages/{name}/retention.json") for name in ("01-first", "02-second")
    )
    assert "isolation" not in first["settings"]
    assert second["settings"]["isolation"]["rank"] == 2
    assert second["memory_bytes"]["isolation"] == 4 * second["trained_parameters"] // 2
    other = run / "stages/02-second/adapters/mood/adapter_model.safetensors"
    router = run / "stages/02-second/kept/router.safetensors"
    added = other.stat().st_size + router.stat().st_size
    assert second["inference_added_bytes"] == {"isolation": added}
    assert second["flops"]["isolation"] == 0
    assert read(router.with_name("costs.json"))["isolation"]["flops"] > 0
    assert "isolation" in (run / "report.html").read_text("utf-8")
    # A token meets the part of its own task, and only that counts.
    alone = read(
        on_base(tmp_path_factory.mktemp("one"), {"rank": 2}) / "stages/02-second/retention.json"
    )
    assert second["flops"]["own"] == alone["flops"]["own"]
