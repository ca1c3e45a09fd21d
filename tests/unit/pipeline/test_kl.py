"""KL to the base in a run: measured after each stage, kept, and found in scores.json."""

import json
import shutil

import pytest

import tiny
import tiny_run
from madrigal.errors import RecipeError
from madrigal.evaluation.scores_file import recompute
from madrigal.pipeline.build import build
from madrigal.pipeline.estimate import estimate
from madrigal.pipeline.run import run


def keys(adapter, base=None):
    found = tiny_run.keys()
    found["model"]["adapter"] = adapter
    if base is not None:
        found["model"] = {"base": str(base), "adapter": adapter}
    found["evaluate"] = {"kl": True, "draws": 200, "base": False}
    for stage, steps in zip(found["stages"], (6, 3), strict=True):
        stage |= {"steps": steps, "validate_every": 0}
        stage["optimiser"] = {"learning_rate": 0.01}
    return found


@pytest.mark.parametrize("adapter", ["full", {"kind": "lora", "rank": 2}], ids=["full", "lora"])
def test_a_run_measures_each_stage_on_its_own_tasks(tmp_path, adapter):
    held = tiny.model()
    held.network.save_pretrained(tmp_path / "base")
    held.tokenizer.save_pretrained(tmp_path / "base")
    loaded = tiny_run.tiny(tmp_path, keys(adapter, tmp_path / "base"))
    out = run(loaded, tmp_path / "run")
    scores = json.loads((out / "scores.json").read_text())
    found = scores["summary"]["kl_to_base"]
    assert {stage: set(tasks) for stage, tasks in found.items()} == {
        "01-together": {"mood", "echo"},
        "02-after": {"echo"},
    }
    for tasks in found.values():
        for one in tasks.values():
            assert 0 < one["low"] <= one["value"] <= one["high"]
    assert "KL(base || model)" in scores["definitions"]["kl_to_base"]
    assert recompute(out).to_json()["summary"]["kl_to_base"] == found
    # What was lost is measured again from the stage's weights, and is the same.
    place = out / "kl" / "02-after" / "echo.jsonl"
    before = place.read_bytes()
    shutil.rmtree(out / "kl")
    run(loaded, out, resume=True)
    assert place.read_bytes() == before


def test_the_estimate_counts_both_passes(tmp_path):
    built = build(tiny_run.tiny(tmp_path, keys("full")))
    sources = [built.source(stage) for stage in built.recipe.stages]
    parts = {part.name: part for part in estimate(built, sources)}
    sizes = {
        name: sum(example[0].length for example in built.coder.training(task, "test"))
        for name, task in built.tasks.items()
    }
    assert parts["KL to the base after together"].tokens == 2 * sum(sizes.values())
    assert parts["KL to the base after after"].tokens == 2 * sizes["echo"]
    assert not parts["KL to the base after after"].trained


def test_a_recipe_without_stages_has_no_divergence(tmp_path):
    with pytest.raises(RecipeError, match=r"evaluate\.kl: no stage changes the model"):
        tiny_run.tiny(tmp_path, keys("full") | {"stages": []})


def test_a_run_that_goes_on_from_another_is_compared_with_where_it_began(tmp_path):
    """A stage that moves nothing: whatever the run before did is no divergence of this one."""
    held = tiny.model()
    held.network.save_pretrained(tmp_path / "base")
    held.tokenizer.save_pretrained(tmp_path / "base")
    lora = {"kind": "lora", "rank": 2}
    first = run(tiny_run.tiny(tmp_path, keys(lora, tmp_path / "base")), tmp_path / "first")
    onward = keys(lora, tmp_path / "base") | {"start_from": str(first)}
    onward["stages"] = onward["stages"][:1]
    onward["stages"][0]["optimiser"] = {"learning_rate": 1e-12, "weight_decay": 0.0}
    second = run(tiny_run.tiny(tmp_path, onward), tmp_path / "second")
    moved, still = (
        json.loads((place / "scores.json").read_text())["summary"]["kl_to_base"]["01-together"]
        for place in (first, second)
    )
    for task in ("mood", "echo"):
        assert abs(still[task]["value"]) < 1e-4 < moved[task]["value"]
