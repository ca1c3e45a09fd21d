"""Two processes retain what one retains, and go on where two were killed."""

import pytest
import yaml

import deaths
import retained

HANGS = 180.0  # seconds; processes that disagree about a pass wait for each other for ever

SHARED = [
    {"kind": "distill", "on": "all"},
    retained.REPLAY,
    {"kind": "ewc", "examples": 8},
    {"kind": "o_lora", "strength": 0.1},
]
OWN = [{"kind": "distill", "on": "own"}, {**retained.REPLAY, "select": "generated"}]
CASES = {
    "full, upgrad": (retained.combined()["all but o_lora"], retained.FULL, "upgrad", {}),
    "lora, agem": (retained.combined()["all with o_lora"], retained.LORA, "agem", {}),
    "lora, a shared-out base": (SHARED, retained.LORA, "mean", {"shard": True}),
    "full, own words": (OWN, retained.FULL, "upgrad", {}),
    "lora, own words, a shared-out base": (OWN, retained.LORA, "mean", {"shard": True}),
}
PACKED = {f"every kind and choice, {n}": pair for n, pair in enumerate(retained.packed(), 1)}
DEATHS = (
    ("line", "stages/02-two/steps.jsonl", 1),
    ("before", "stages/02-two/kept"),
    ("line", "stages/03-three/steps.jsonl", 3),  # the last checkpoint is of step 2
)
TIMED = ("report.html", "README.md")


def as_many(forker, folder, recipe, name, count, **more):
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    again = ("--resume",) if (folder / name / "recipe.yaml").exists() else ()
    words = ("run", path, "--out", folder / name, *again)
    return forker.madrigal(*words, kill_after=HANGS, processes=count, **more)


def test_one_that_comes_late_finds_a_checkpoint_and_begins_all_the_same(forker, tmp_path):
    retained.write(tmp_path)
    late = (tmp_path / "late", "late", "", 1)
    answer = as_many(forker, tmp_path, retained.keys([]), "late", 2, dies=late)
    assert answer["code"] == 0, answer["said"]


def assert_two_are_as_one(forker, folder, recipe):
    for count, name in ((1, "one"), (2, "two")):
        answer = as_many(forker, folder, recipe, name, count)
        assert answer["code"] == 0, answer["said"]
    retained.assert_agree(folder / "two", folder / "one")


def recipe_of(case):
    retain, adapter, balance, model = CASES[case]
    recipe = retained.keys(retain, adapter, dropout=0.0)
    recipe["model"] |= model
    for stage in recipe["stages"][1:]:
        stage["balance"] = balance
    return recipe


@pytest.mark.parametrize("case", CASES)
def test_two_are_as_one(forker, tmp_path, case):
    retained.write(tmp_path)
    assert_two_are_as_one(forker, tmp_path, recipe_of(case))
    steps = [
        retained.rows(tmp_path / name / "stages/03-three/steps.jsonl") for name in ("one", "two")
    ]
    padded = [sum(row["padded_tokens"] for row in rows) for rows in steps]
    assert padded[0] != padded[1], "the work was not laid out for two"


@pytest.mark.parametrize("case", PACKED)
def test_two_are_as_one_whatever_is_retained(forker, tmp_path, case):
    retained.write(tmp_path)
    second, third = PACKED[case]
    recipe = retained.keys([*second, *third], dropout=0.0)
    for stage, retain in zip(recipe["stages"][1:], (second, third), strict=True):
        stage["retain"] = retain
    assert_two_are_as_one(forker, tmp_path, recipe)


@pytest.mark.parametrize("case", ["full, upgrad", "lora, agem"])
def test_two_that_are_killed_and_resumed_are_the_two_that_were_not(forker, tmp_path, case):
    retained.write(tmp_path)
    recipe = recipe_of(case)
    answer = as_many(forker, tmp_path, recipe, "whole", 2)
    assert answer["code"] == 0, answer["said"]
    for death in DEATHS:
        answer = as_many(forker, tmp_path, recipe, "torn", 2, dies=(tmp_path / "torn", *death))
        assert answer["code"] == deaths.DEAD, answer["said"]
    answer = as_many(forker, tmp_path, recipe, "torn", 2)
    assert answer["code"] == 0, answer["said"]
    ours, theirs = (
        {
            path: held
            for path, held in retained.untimed(tmp_path / name).items()
            if path.rpartition("/")[2] not in TIMED
        }
        for name in ("torn", "whole")
    )
    assert ours.keys() == theirs.keys()
    assert [path for path in theirs if ours[path] != theirs[path]] == []
