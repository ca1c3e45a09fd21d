"""Two processes learn from the same answers of the model's own as one does."""

import pytest
import yaml

import retained
import tiny_run
from acting import KINDS, STEPS, keys, rollouts

HANGS = 180.0  # seconds; processes that disagree about a pass wait for each other for ever


def recipe_of(kind, shard=False):
    recipe = keys(KINDS[kind], 4)
    recipe["model"]["new"]["dropout"] = 0.0
    recipe["model"]["precision"] = "float32"
    if shard:
        lora = {"kind": "lora", "rank": 4}
        recipe["model"] = {
            "base": "base-still",
            "adapter": lora,
            "shard": True,
            "precision": "float32",
        }
    for stage in recipe["stages"]:
        stage["optimiser"] = {"epsilon": 1e-3, "learning_rate": 0.01}
    return recipe


@pytest.mark.parametrize(("kind", "shard"), [("rloo", False), ("ppo", False), ("grpo", True)])
def test_two_are_as_one(forker, tmp_path, kind, shard):
    retained.write(tmp_path)
    tiny_run.write_data(tmp_path)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe_of(kind, shard)), encoding="utf-8")
    for count, name in ((1, "one"), (2, "two")):
        words = ("run", path, "--out", tmp_path / name)
        answer = forker.madrigal(*words, kill_after=HANGS, processes=count)
        assert answer["code"] == 0, answer["said"]
    one, two = (rollouts(tmp_path / name) for name in ("one", "two"))
    assert [one[0]["samples"][n]["answer"] for n in (0, 1)] == [
        two[0]["samples"][n]["answer"] for n in (0, 1)
    ]
    for left, right in zip(one, two, strict=True):
        assert left["means"] == pytest.approx(right["means"], rel=1e-3, abs=1e-4)
    one, two = (retained.rows(tmp_path / name / STEPS) for name in ("one", "two"))
    for left, right in zip(one, two, strict=True):
        assert left["rows"] == right["rows"]
        assert left["loss"] == pytest.approx(right["loss"], rel=1e-3, abs=1e-5)
        assert left["grad_norm"] == pytest.approx(right["grad_norm"], rel=1e-3)
