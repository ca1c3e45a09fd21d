"""Two processes that share the frozen base out do what two do that each hold all of it."""

import json
import time

import pytest
import torch
import yaml
from safetensors.torch import load_file

import tiny
import tiny_run
from madrigal.model.inspect import model_size
from madrigal.recipe.load import load_recipe

HANGS = 180.0  # seconds; processes that disagree about a pass wait for each other for ever


def write(folder, kind="llama", balance="mean", baselines=False, more=None, **model):
    """One stage whose steps have an odd number of microbatches, so that one process has fewer."""
    held = tiny.model(kind)
    held.network.save_pretrained(folder / "base")
    held.tokenizer.save_pretrained(folder / "base")
    keys = tiny_run.keys()
    (stage, _) = keys["stages"]
    stage |= {
        "balance": balance,
        "batch": {"rows": 3, "microbatch_tokens": 64},
        "steps": 6,
        "gradients": {"measure_every": 2, "by_layer": True},
        # With the usual epsilon AdamW makes a full step of a gradient that is nothing but rounding.
        "optimiser": {"epsilon": 1e-3, "learning_rate": 0.01},
    }
    keys["stages"] = [stage | (more or {})]
    keys["model"] = {"base": "base", "precision": "float32", "adapter": {"rank": 4}} | model
    keys["model"]["adapter"] = {"kind": "lora"} | keys["model"]["adapter"]
    keys["evaluate"] = {"base": True, "baselines": baselines, "draws": 200}
    return tiny_run.write_recipe(folder, keys)


@pytest.fixture
def two(forker, tmp_path):
    """Runs a recipe with two processes; its folder."""

    def run(recipe, name, *sets, **how):
        words = [word for one in sets for word in ("--set", one)]
        how = {"kill_after": HANGS, "processes": 2} | how
        answer = forker.madrigal("run", recipe, "--out", tmp_path / name, *words, **how)
        assert answer["code"] == 0, answer["said"]
        return tmp_path / name

    return run


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def weights(run):
    """Every trained tensor of a run by file and name."""
    return {
        (file.relative_to(run).as_posix(), name): tensor
        for file in sorted(run.rglob("adapter_model.safetensors"))
        for name, tensor in load_file(file).items()
    }


def model_of(run):
    return json.loads((run / "manifest.json").read_text(encoding="utf-8"))["model"]


def assert_agree(ours, theirs):
    """Losses, gradients, angles, validation, predictions and weights to 1e-6."""
    stage = "stages/01-together"
    one, two = (rows(run / stage / "steps.jsonl") for run in (ours, theirs))
    assert len(one) == len(two) > 0
    for left, right in zip(one, two, strict=True):
        for key in ("loss", "weight", "grad_norm"):
            assert left[key] == pytest.approx(right[key], rel=1e-6), key
        assert ("conflict" in left) == ("conflict" in right)
        for what in ("cosine", "norm", "signal") if "conflict" in left else ():
            found, wanted = left["conflict"][what], right["conflict"][what]
            assert found == pytest.approx(wanted, rel=1e-6, abs=1e-9), what
    events = [run / stage / "events.jsonl" for run in (ours, theirs)]
    told = [path.read_bytes() if path.exists() else b"" for path in events]
    assert told[0] == told[1]
    validated, expected = (rows(run / stage / "validation.jsonl") for run in (ours, theirs))
    assert validated == expected
    for file in (ours / "predictions").rglob("*.jsonl"):
        assert rows(file) == rows(theirs / file.relative_to(ours)), file
    found, wanted = weights(ours), weights(theirs)
    assert found.keys() == wanted.keys()
    assert found
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, wanted[name], rtol=1e-6, atol=1e-6, msg=str(name))


PRIVATE = {"rank": 4, "layers": [1], "private": {"rank": 2, "layers": [0], "tasks": ["mood"]}}
HEADS = {"layers": "none", "private": {"rank": 2, "layers": "none", "head": True}}
GROUP = {
    "rank": 4,
    "private": {"rank": 2, "layers": [1], "head": True, "groups": {"both": ["mood", "echo"]}},
}
OWN = {"rank": 4, "layers": [1], "private": {"rank": 2, "head": True}}
# A task's validation that does not gain at once takes its part back and the task out.
LEAVE = {
    "validate_every": 1,
    "early_stop": {"patience": 1, "per_task": True, "roll_back": True},
}
BY_LOSS = {"curriculum": {"enter": {"echo": 0.3}, "difficulty": {"by": "base_loss"}}}
SOME = {"rank": 4, "layers": [1], "dropout": 0.2}
CASES = {
    "mean, and baselines that ride along": {"baselines": True},
    "upgrad": {"balance": "upgrad"},
    "famo, and baselines apart": {"balance": "famo", "baselines": "separate"},
    "gpt2": {"kind": "gpt2", "balance": "upgrad"},
    "one block and dropout": {"balance": "upgrad", "adapter": SOME},
    "private part of one task, in another block": {"balance": "upgrad", "adapter": PRIVATE},
    "private heads only": {"adapter": HEADS},
    "checkpointing": {
        "balance": "upgrad",
        "gradient_checkpointing": True,
        "adapter": {"rank": 4, "private": 2},
    },
    "a group's part with a head": {"balance": "pcgrad", "adapter": GROUP, "baselines": True},
    "private parts that go back, under a curriculum": {
        "balance": "upgrad",
        "adapter": OWN,
        "more": BY_LOSS | LEAVE,
    },
    "bfloat16": {"balance": "upgrad", "precision": "bfloat16"},
}


@pytest.mark.parametrize("case", CASES)
def test_sharing_the_base_out_changes_nothing_but_memory(two, tmp_path, case):
    recipe = write(tmp_path, **CASES[case])
    whole, shared = two(recipe, "whole"), two(recipe, "shared", "model.shard=true")
    assert_agree(shared, whole)
    if "go back" in case:
        events = rows(shared / "stages/01-together/events.jsonl")
        assert "task_rolled_back" in [event["kind"] for event in events]
    measured = ["conflict" in row for row in rows(shared / "stages/01-together/steps.jsonl")]
    assert any(measured) == (case != "private heads only")
    assert model_of(shared)["parameters"] == model_of(whole)["parameters"]
    saved = model_of(whole)["bytes_held"] - model_of(shared)["bytes_held"]
    assert saved == bytes_of_blocks(tmp_path / "base") / 2
    size = model_size(load_recipe(recipe).recipe.model, tmp_path, ("mood", "echo"))
    assert model_of(shared)["bytes_held"] == size.bytes_held(2)


def bytes_of_blocks(base):
    found = load_file(base / "model.safetensors").items()
    return sum(t.nbytes for name, t in found if any(part.isdigit() for part in name.split(".")))


RESUMED = {
    "shared": {},
    "private parts that go back, under a curriculum": {
        "adapter": OWN,
        "more": BY_LOSS | LEAVE | {"checkpoint_every": 1},
    },
}


@pytest.mark.parametrize("case", RESUMED)
def test_killed_and_resumed_is_the_same_run(forker, two, tmp_path, case):
    """Wherever a kill falls: in scoring, in a step, or in a baseline that rides along."""
    recipe = write(tmp_path, balance="upgrad", shard=True, **RESUMED[case])
    sets = ("evaluate.baselines=true",)
    began = time.monotonic()
    whole = two(recipe, "whole", *sets)
    seconds = time.monotonic() - began
    words = ("run", recipe, "--out", tmp_path / "killed", "--set", *sets)
    codes = []
    for share in (0.4, 0.3, 0.2):
        resume = ("--resume",) if (tmp_path / "killed" / "recipe.yaml").exists() else ()
        answer = forker.madrigal(*words, *resume, kill_after=share * seconds, processes=2)
        codes.append(answer["code"])
    assert set(codes) <= {-9, 0}, answer["said"]
    assert -9 in codes
    answer = forker.madrigal(*words, "--resume", kill_after=HANGS, processes=2)
    assert answer["code"] == 0, answer["said"]
    files = [
        path.relative_to(whole)
        for pattern in ("*.safetensors", "predictions/*/*.jsonl", "validation.jsonl", "scores.json")
        for path in sorted(whole.rglob(pattern))
        if "checkpoints" not in path.parts
    ]
    assert any("baselines" in file.parts for file in files)
    for file in files:
        assert (tmp_path / "killed" / file).read_bytes() == (whole / file).read_bytes(), file
    steps = "stages/01-together/steps.jsonl"
    ours, theirs = (rows(run / steps) for run in (tmp_path / "killed", whole))
    for row in (*ours, *theirs):
        del row["seconds"]
    assert ours == theirs


def test_one_process_holds_everything_and_says_so(forker, tmp_path):
    recipe = write(tmp_path, shard=True)
    answer = forker.madrigal("run", recipe, "--out", tmp_path / "run")
    assert answer["code"] == 0, answer["said"]
    line = "model.shard: one process holds the whole base; torchrun starts several"
    assert answer["said"].count(line) == 1


def test_trained_parameters_are_not_shared_out(forker, tmp_path):
    recipe = write(tmp_path)
    sets = ("--set", "model.shard=true", "--set", "model.adapter=full")
    answer = forker.madrigal("run", recipe, "--out", tmp_path / "run", *sets)
    assert answer["code"] == 2
    assert answer["said"].splitlines() == [
        "--set model.shard=true: shares out a frozen base, and with `adapter: full` nothing is "
        "frozen; write `adapter: lora`, or remove it"
    ]
    assert not (tmp_path / "run").exists()


def test_preferences_beside_a_shared_out_base(two, tmp_path):
    """Also KTO, which looks at a whole step before its passes, and what watches preferences."""
    recipe = write(tmp_path, balance="upgrad")
    keys = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    words = [(good, bad) for good in tiny_run.GOOD for bad in tiny_run.BAD]
    for name, objective in (("liked", "dpo"), ("known", "kto")):
        for split, some in (("train", words[:20]), ("test", words[20:])):
            pairs = [{"prompt": f"{a} or {b}? {name}", "chosen": a, "rejected": b} for a, b in some]
            lines = "".join(json.dumps(row) + "\n" for row in pairs)
            (tmp_path / f"{name}.{split}.jsonl").write_text(lines, encoding="utf-8")
        data = {split: f"{name}.{split}.jsonl" for split in ("train", "test")}
        keys["tasks"][name] = {"data": data, "max_new_tokens": 3}
        (stage,) = keys["stages"]
        stage["learn"] = [*stage["learn"], name]
        stage["objective"] = stage.get("objective", {}) | {name: objective}
        stage["batch"]["rows"] = 5
    recipe.write_text(yaml.safe_dump(keys), encoding="utf-8")
    whole, shared = two(recipe, "whole"), two(recipe, "shared", "model.shard=true")
    assert_agree(shared, whole)
    for kind in ("written", "kl"):
        files = sorted((whole / kind).rglob("*.jsonl"))
        assert len(files) == (4 if kind == "written" else 2)
        for path in files:
            other = rows(shared / path.relative_to(whole))
            for found, wanted in zip(other, rows(path), strict=True):
                nats = (found.pop("nats", 0.0), wanted.pop("nats", 0.0))
                assert nats[0] == pytest.approx(nats[1], rel=1e-5)
                assert found == wanted
