"""A stage leaves parts of the model as they are: they do not move at all, and the others do."""

import json

import pytest
import torch
from safetensors.torch import load_file

import retained
import tiny_run
from acting import KINDS, keys
from madrigal.cli.app import main
from madrigal.model.blocks import block_of

LORA = {"base": "base", "adapter": {"kind": "lora", "rank": 2}}
PRIVATE = {"base": "base", "adapter": {"kind": "lora", "rank": 2, "private": {"rank": 2}}}
FREEZE = {"layers": [0], "embeddings": True}


def weights(run, stage):
    (folder,) = (run / "stages").glob(f"{stage:02d}-*")
    found = {}
    for path in sorted(folder.rglob("*.safetensors")):
        if "checkpoints" not in path.parts and "kept" not in path.parts:
            held = load_file(path)
            found |= {f"{path.relative_to(folder)} {name}": one for name, one in held.items()}
    return found


def moved(run):
    before, after = weights(run, 1), weights(run, 2)
    return {n: not torch.equal(before[n], one) for n, one in after.items() if n in before}


def recipe(model, kind="rloo", **stage):
    held = keys(KINDS[kind], 3, freeze=FREEZE, **stage)
    if model is not None:
        held["model"] = model
    return held


@pytest.mark.parametrize("model", [None, LORA, PRIVATE], ids=["full", "lora", "private"])
def test_what_is_frozen_stays_bit_for_bit_and_the_rest_learns(model, tmp_path):
    retained.write(tmp_path)
    tiny_run.write_data(tmp_path)
    run = retained.train(tmp_path, recipe(model, balance="upgrad"), tmp_path / "run")
    found = moved(run)
    still = {n for n in found if block_of(n.split()[1]) == 0 or "embed" in n}
    assert still
    assert not any(found[n] for n in still)
    free = {n for n in found if n not in still and "critic" not in n}
    assert free
    assert all(found[n] for n in free), [n for n in free if not found[n]]
    if model is None:
        (path,) = run.glob("stages/02-*/retention.json")
        costs, after = json.loads(path.read_text(encoding="utf-8")), weights(run, 2)
        assert costs["trained_parameters"] == sum(after[n].numel() for n in free)
        assert costs["flops"]["answers"] > 0


def test_a_later_stage_moves_it_again_and_a_resumed_run_is_the_same(tmp_path):
    tiny_run.write_data(tmp_path)
    held = recipe(None, kind="ppo", retain=[{"kind": "ewc"}])
    held["stages"][0] |= {"learn": ["mood"], "steps": 4}
    held["stages"][1]["learn"] = ["echo"]
    last = {"name": "more", "learn": ["mood"], "steps": 2, "batch": {"rows": 4}}
    held["stages"].append(last | {"retain": [{"kind": "ewc"}]})
    whole = retained.train(tmp_path, held, tmp_path / "whole")
    after, later = weights(whole, 2), weights(whole, 3)
    assert not any(torch.equal(one, later[n]) for n, one in after.items() if block_of(n) == 0)
    out = tmp_path / "killed"
    assert retained.dies(tmp_path, held, out, ("line", "stages/02-act/steps.jsonl", 2))
    retained.train(tmp_path, held, out, resume=True)
    assert retained.untimed(out) == retained.untimed(whole)


@pytest.mark.parametrize(
    ("model", "freeze", "sentence"),
    [
        (None, {"layers": [7]}, "stages[1].freeze.layers: the model has no block 7; it has 2"),
        (
            None,
            {"modules": ["nose"]},
            "freeze.modules: nothing that is trained is within a module",
        ),
        (LORA, {"embeddings": True}, "stages[1].freeze: nothing that is trained is meant by it"),
        (LORA, {"layers": "all"}, "stages[1].freeze: nothing is left to train; name fewer parts"),
    ],
)
def test_what_cannot_be_frozen_is_told_before_the_run(model, freeze, sentence, tmp_path, capsys):
    retained.write(tmp_path)
    tiny_run.write_data(tmp_path)
    held = recipe(model)
    held["stages"][1]["freeze"] = freeze
    path = tiny_run.write_recipe(tmp_path, held)
    assert main(["run", str(path), "--out", str(tmp_path / "run")]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
