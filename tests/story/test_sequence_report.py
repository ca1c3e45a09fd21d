"""Two tasks, one after the other, through the command line: its costs and its report."""

import json

import pytest
import yaml

import tiny_run
from madrigal.cli.app import main
from madrigal.pipeline.costs import saved_bytes

REMEDIES = [{"kind": "replay", "share": 0.5, "keep": 6}, {"kind": "ewc", "examples": 8}, "distill"]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sequence")
    tiny_run.write_data(folder)
    keys = tiny_run.keys() | {"evaluate": {"draws": 200}}
    keys["stages"] = [
        {"name": "first", "learn": ["mood"], "steps": 4, "batch": {"rows": 4}},
        {"name": "second", "learn": ["echo"], "steps": 5, "batch": {"rows": 4}, "retain": REMEDIES},
    ]
    recipe = folder / "tiny.yaml"
    recipe.write_text(yaml.safe_dump(keys), encoding="utf-8")
    assert main(["run", str(recipe), "--out", str(folder / "run")]) == 0
    return folder / "run"


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_what_a_stage_computed_follows_from_its_log(done):
    costs = read(done / "stages/02-second/retention.json")
    lines = (done / "stages/02-second/steps.jsonl").read_text(encoding="utf-8").splitlines()
    tokens = [json.loads(line)["tokens"] for line in lines]
    again = sum(step.get("mood", 0) for step in tokens)
    own = sum(step["echo"] for step in tokens)
    assert costs["tokens"] == {"own": own, "replayed": again}
    assert costs["replayed"] == {"mood": 6}
    per_token = costs["flops"]["own"] / own
    assert costs["flops"]["replay"] == per_token * again
    assert costs["flops"]["distill"] == pytest.approx(per_token / 3 * (own + again))
    assert costs["flops"]["ewc"] == 6 * costs["trained_parameters"] * 5


def test_what_a_stage_held_and_left(done):
    costs = read(done / "stages/02-second/retention.json")
    trained = read(done / "manifest.json")["model"]["trainable"]
    assert costs["trained_parameters"] == trained
    assert costs["memory_bytes"]["ewc"] == 8 * trained
    assert costs["memory_bytes"]["distill"] == 4 * trained
    assert costs["inference_bytes"] == saved_bytes(done / "stages/02-second") > 4 * trained
    assert costs["peak_memory_bytes"] > costs["memory_bytes"]["ewc"]
    assert set(costs["settings"]) == {"replay", "ewc", "distill"}


def test_a_stage_without_retention_says_so(done):
    costs = read(done / "stages/01-first/retention.json")
    assert (costs["settings"], costs["memory_bytes"], costs["replayed"]) == ({}, {}, {})
    assert set(costs["flops"]) == {"own"}


def test_the_report_tells_it(done):
    page = (done / "report.html").read_text(encoding="utf-8")
    for text in ("One task after another", "What keeping the past cost", "replay, EWC and distill"):
        assert text in page
