"""Somebody trains on judged answers beside other tasks, and looks at what came out."""

import json
import math
from uuid import uuid4

import pytest

import retained
from madrigal.errors import DataError, ModelError
from madrigal.pipeline.build import build
from madrigal.pipeline.parts import fresh_model, shares_prompts
from madrigal.recipe.load import load_recipe
from madrigal.report import write_report


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("preferences")
    retained.write(found)
    return found


def keys(objective="dpo", learn=("m1", "liked"), **changes):
    recipe = retained.keys([], retained.LORA, 0.0)
    stage = {
        "name": "prefer",
        "learn": list(learn),
        "steps": 12,
        "batch": {"rows": 8, **changes.pop("batch", {})},
        "mixture": "uniform",
        "balance": "upgrad",
        "gradients": {"measure_every": 1},
        "optimiser": {"learning_rate": 0.01},
        "objective": {"liked": objective} if objective else {},
    }
    tasks = {name: recipe["tasks"][name] for name in learn}
    evaluate = {"draws": 200, "baselines": True}
    return recipe | {"stages": [stage], "tasks": tasks, "evaluate": evaluate} | changes


def train(folder, recipe, monkeypatch, cache):
    monkeypatch.setenv("MADRIGAL_CACHE", str(cache))
    return retained.train(folder, recipe, folder / str(uuid4()))


def steps(out):
    return retained.rows(out / "stages" / "01-prefer" / "steps.jsonl")


def agreement(out, label):
    rows = retained.rows(out / "predictions" / label / "liked.jsonl")
    return sum(row["score"] for row in rows) / len(rows)


def margin(out, label):
    """Nats by which the better answers are likelier, on average."""
    rows = retained.rows(out / "predictions" / label / "liked.jsonl")
    return sum(r["judging"]["logps"][0] - r["judging"]["logps"][1] for r in rows) / len(rows)


@pytest.fixture
def done(folder, monkeypatch, tmp_path):
    return train(folder, keys(), monkeypatch, tmp_path / "cache")


def test_it_begins_at_ln_2_and_learns_to_side_with_people(done):
    told = steps(done)
    assert told[0]["loss"]["liked"] == pytest.approx(math.log(2), abs=1e-5)
    assert told[-1]["loss"]["liked"] < 0.5
    assert margin(done, "01-prefer") > margin(done, "base") + 2
    assert agreement(done, "01-prefer") == 1.0


def test_the_angle_to_the_other_task_is_measured_and_the_report_shows_both(done):
    assert all("liked|m1" in step["conflict"]["cosine"] or "m1|liked" in step["conflict"]["cosine"]
               for step in steps(done))  # fmt: skip
    page = write_report(done).read_text(encoding="utf-8")
    assert "agreement" in page
    assert "share of people" in page
    scores = json.loads((done / "scores.json").read_text(encoding="utf-8"))
    assert scores["tasks"]["liked"]["metric"] == "agreement"
    assert scores["baselines"]["liked"]["value"] == 1.0


def test_the_reference_is_computed_once_for_runs_that_begin_at_the_base(
    folder, monkeypatch, tmp_path
):
    cache = tmp_path / "cache"
    train(folder, keys(), monkeypatch, cache)
    (kept,) = (cache / "reference").iterdir()
    before = kept.read_bytes(), kept.stat().st_mtime_ns
    again = keys() | {"seed": 9}
    again["model"]["adapter"] = {"kind": "lora", "rank": 2}
    out = train(folder, again, monkeypatch, cache)
    assert [*(cache / "reference").iterdir()] == [kept]
    assert (kept.read_bytes(), kept.stat().st_mtime_ns) == before
    assert steps(out)[0]["loss"]["liked"] == pytest.approx(math.log(2), abs=1e-5)


def test_sharing_the_prompt_changes_nothing_but_the_tokens(folder, monkeypatch, tmp_path):
    shared, apart = (
        train(folder, keys(batch={"share_prompts": share}), monkeypatch, tmp_path / str(share))
        for share in (True, False)
    )
    ours, theirs = (steps(out) for out in (shared, apart))
    assert ours[0]["loss"] == pytest.approx(theirs[0]["loss"], rel=1e-4)
    assert ours[-1]["loss"]["liked"] == pytest.approx(theirs[-1]["loss"]["liked"], rel=0.02)
    assert ours[0]["tokens"]["liked"] < theirs[0]["tokens"]["liked"]
    assert ours[0]["tokens"]["m1"] == theirs[0]["tokens"]["m1"]


def test_likelihood_learns_the_best_answer_alone(folder, monkeypatch, tmp_path):
    out = train(folder, keys("likelihood"), monkeypatch, tmp_path)
    assert not (tmp_path / "reference").exists()
    assert steps(out)[-1]["loss"]["liked"] < steps(out)[0]["loss"]["liked"]


@pytest.mark.parametrize(
    ("objective", "learn", "said"),
    [
        (
            None,
            ("m1", "liked"),
            "stages[0].objective: 'liked' holds judged answers; say how they are learnt, "
            "`objective: {liked: dpo}`, or `likelihood` for the best ones alone",
        ),
    ],
)
def test_what_does_not_fit_is_said(folder, objective, learn, said):
    path = folder / f"{uuid4()}.yaml"
    path.write_text(json.dumps(keys(objective, learn)), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        build(load_recipe(path))
    assert caught.value.mistakes == (said,)


def test_a_model_that_cannot_share_prompts_is_refused_where_the_recipe_insists(folder, monkeypatch):
    path = folder / f"{uuid4()}.yaml"
    path.write_text(json.dumps(keys(batch={"share_prompts": True})), encoding="utf-8")
    built = build(load_recipe(path))
    (stage,) = built.recipe.stages
    model = fresh_model(built)
    assert shares_prompts(built, stage, model)
    monkeypatch.setattr(model.causal.config, "sliding_window", 8, raising=False)
    with pytest.raises(ModelError, match=r"share_prompts: this model cannot .*write `auto`"):
        shares_prompts(built, stage, model)
