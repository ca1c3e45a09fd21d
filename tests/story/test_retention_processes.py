"""Two processes retain what one retains."""

import pytest
import yaml

import retained

HANGS = 180.0  # seconds; processes that disagree about a pass wait for each other for ever

SHARED = [{"kind": "distill", "on": "all"}, retained.REPLAY, {"kind": "ewc", "examples": 8}]
OWN = [{"kind": "distill", "on": "own"}, {**retained.REPLAY, "select": "generated"}]
CASES = {
    "full, upgrad": (retained.combined()["all but o_lora"], retained.FULL, "upgrad", {}),
    "lora, agem": (retained.combined()["all with o_lora"], retained.LORA, "agem", {}),
    "lora, a shared-out base": (SHARED, retained.LORA, "mean", {"shard": True}),
    "full, own words": (OWN, retained.FULL, "upgrad", {}),
    "lora, own words, a shared-out base": (OWN, retained.LORA, "mean", {"shard": True}),
}


@pytest.mark.parametrize("case", CASES)
def test_two_are_as_one(forker, tmp_path, case):
    retain, adapter, balance, model = CASES[case]
    retained.write(tmp_path)
    recipe = retained.keys(retain, adapter, dropout=0.0)
    recipe["model"] |= model
    for stage in recipe["stages"][1:]:
        stage["balance"] = balance
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    for count, name in ((1, "one"), (2, "two")):
        answer = forker.madrigal(
            "run", path, "--out", tmp_path / name, kill_after=HANGS, processes=count
        )
        assert answer["code"] == 0, answer["said"]
    retained.assert_agree(tmp_path / "two", tmp_path / "one")
    steps = [
        retained.rows(tmp_path / name / "stages/03-three/steps.jsonl") for name in ("one", "two")
    ]
    padded = [sum(row["padded_tokens"] for row in rows) for rows in steps]
    assert padded[0] != padded[1], "the work was not laid out for two"
