"""Somebody trains a reward model beside another task, is interrupted, and takes it elsewhere."""

import json
import os
import shutil
import warnings
from uuid import uuid4

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

import retained
from madrigal.cli.app import main
from madrigal.errors import DataError
from madrigal.pipeline.build import build
from madrigal.recipe.load import load_recipe

STAGE = "01-judge"
ADAPTERS = {"full": retained.FULL, "lora": retained.LORA}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("reward")
    retained.write(found)
    return found


def keys(objective="reward", adapter=retained.LORA, dropout=0.0, **changes):
    recipe = retained.keys([], adapter, dropout)
    stage = {
        "name": "judge",
        "learn": ["m1", "liked"],
        "steps": 10,
        "batch": {"rows": 8},
        "mixture": "uniform",
        "balance": "upgrad",
        "gradients": {"measure_every": 1},
        "checkpoint_every": 4,
        "optimiser": {"learning_rate": 0.01},
        "objective": {"liked": objective},
    }
    tasks = {name: recipe["tasks"][name] for name in stage["learn"]}
    return recipe | {"stages": [stage], "tasks": tasks, "evaluate": {"draws": 200}} | changes


def train(folder, recipe):
    return retained.train(folder, recipe, folder / str(uuid4()))


def judged(out, label):
    return retained.rows(out / "predictions" / label / "liked.jsonl")


def steps(out):
    return retained.rows(out / "stages" / STAGE / "steps.jsonl")


@pytest.fixture(scope="module")
def done(folder):
    return {kind: train(folder, keys(adapter=adapter)) for kind, adapter in ADAPTERS.items()}


@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_it_learns_to_score_answers_as_people_do(done, adapter):
    out = done[adapter]
    told = steps(out)
    assert told[-1]["loss"]["liked"] < 0.5 * told[0]["loss"]["liked"]
    assert all(step["conflict"]["cosine"] for step in told)
    rows = judged(out, STAGE)
    assert sum(row["score"] for row in rows) == len(rows)
    assert all(r["judging"]["rewards"][0] > r["judging"]["rewards"][1] for r in rows)
    assert all(r["judging"]["rewards"] for r in judged(out, "base"))


@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_transformers_and_peft_give_the_same_rewards(folder, done, adapter):
    place = done[adapter] / "stages" / STAGE
    kept = place / "reward" / "liked"
    if adapter == "full":
        network = AutoModelForSequenceClassification.from_pretrained(kept)
        _, told = AutoModelForCausalLM.from_pretrained(place / "model", output_loading_info=True)
        assert not told["unexpected_keys"]
    else:
        base = AutoModelForSequenceClassification.from_pretrained(
            folder / "base-still", num_labels=1
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`")
            network = PeftModel.from_pretrained(base, kept)
    tokenizer = AutoTokenizer.from_pretrained(kept)
    network.config.pad_token_id = None
    for row in judged(done[adapter], STAGE):
        for answer, expected in zip(
            row["judging"]["answers"], row["judging"]["rewards"], strict=True
        ):
            text = f"{row['prompt']} {answer}<|end|>"
            tokens = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
            with torch.no_grad():
                found = network.eval()(input_ids=tokens).logits[0, 0].item()
            assert found == pytest.approx(expected, abs=1e-4), text


@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_a_finished_reward_model_judges_other_answers(folder, done, adapter, tmp_path, capsys):
    out, given = done[adapter], tmp_path / "again"
    file = folder / "liked.test.jsonl"
    told = main(["evaluate", str(out), "--task", f"liked={file}", "--out", str(given)])
    assert told == 0
    assert "ceiling unknown" in capsys.readouterr().out
    again = retained.rows(given / "liked.jsonl")
    for one, other in zip(judged(out, STAGE), again, strict=True):
        assert other["judging"]["rewards"] == pytest.approx(one["judging"]["rewards"], abs=1e-5)


def test_what_other_answers_leave_no_room_for_is_dropped_where_the_run_dropped_it(
    folder, tmp_path, capsys
):
    recipe = keys(evaluate={"base": False, "draws": 200})
    liked = recipe["tasks"]["liked"]
    recipe["tasks"]["liked"] = liked | {"data": liked["data"] | {"on_bad": "drop"}}
    recipe["stages"][0]["steps"] = 1
    out = train(folder, recipe)
    lines = (folder / "liked.test.jsonl").read_text(encoding="utf-8").splitlines()
    long = {"prompt": "and?", "chosen": "salt " * 2 * retained.CONTEXT, "rejected": "wood"}
    file = tmp_path / "long.jsonl"
    file.write_text("\n".join([*lines, json.dumps(long)]) + "\n", encoding="utf-8")
    given = tmp_path / "again"
    assert main(["evaluate", str(out), "--task", f"liked={file}", "--out", str(given)]) == 0
    assert "liked: 1 bad row was dropped (data.on_bad): " in capsys.readouterr().out
    assert len(retained.rows(given / "liked.jsonl")) == len(lines)


def test_a_comparison_of_runs_names_the_ceiling(done, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["compare", *map(str, done.values())]) == 0
    assert "agreement, ceiling unknown" in capsys.readouterr().out


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a process")
@pytest.mark.parametrize("objective", ["reward", {"kind": "reward", "length_debias": 0.5}])
@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_killed_and_resumed_it_is_the_same(folder, adapter, objective):
    recipe = keys(objective, ADAPTERS[adapter], dropout=0.1, evaluate={"base": False, "draws": 200})
    whole, killed = train(folder, recipe), folder / str(uuid4())
    assert retained.dies(folder, recipe, killed, ("line", f"stages/{STAGE}/steps.jsonl", 6))
    assert not retained.dies(folder, recipe, killed, ("line", "nothing", 0))
    ours, theirs = (_without_names(retained.untimed(out)) for out in (killed, whole))
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert any("reward/liked" in name for name in ours)
    shutil.rmtree(killed)


def _without_names(files):
    return {name: held for name, held in files.items() if name != "recipe.yaml"}


@pytest.mark.parametrize("retain", [{"kind": "ewc", "examples": 4}, retained.REPLAY])
def test_it_is_retained_as_everything_else(folder, retain):
    recipe = keys(evaluate={"base": False, "draws": 200})
    (first,) = recipe["stages"]
    del first["balance"], first["gradients"]
    second = first | {"name": "after", "learn": ["m1"], "objective": {}, "retain": [retain]}
    recipe["stages"] = [first | {"steps": 4}, second | {"steps": 3}]
    out = train(folder, recipe)
    rows = retained.rows(out / "stages" / "02-after" / "steps.jsonl")
    assert any("ewc" in row.get("terms", {}) or "liked" in row["loss"] for row in rows)
    assert (out / "stages" / "02-after" / "reward" / "liked" / "adapter_config.json").is_file()


def test_stages_that_want_other_heads_are_told_apart(folder):
    recipe = keys()
    (first,) = recipe["stages"]
    debiased = {"liked": {"kind": "reward", "length_debias": 1.0}}
    recipe["stages"] = [first, first | {"name": "again", "objective": debiased}]
    path = folder / f"{uuid4()}.yaml"
    path.write_text(json.dumps(recipe), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        build(load_recipe(path))
    assert caught.value.mistakes == (
        "stages[1].objective.liked: `length_debias` trains two heads and its absence one, and an "
        "earlier stage does the other; give both stages the same",
    )
