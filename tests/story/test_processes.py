"""Two processes under torchrun do what one does, to rounding, and only the first writes."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

import tiny
import tiny_run

ALIGNED = {
    "mood": {"kind": "align", "to": "echo", "strength": 20.0},
    "echo": {"kind": "align", "to": "mood", "how": "mmd", "pool": "mean"},
}


def write(folder, adapter, balance="mean", objective=None):
    """Two stages without dropout, whose masks follow the microbatches."""
    keys = tiny_run.keys()
    keys["stages"][0]["objective"] = objective or {}
    keys["stages"][0]["balance"] = balance
    keys["stages"][0]["gradients"] = {"measure_every": 2}
    keys["evaluate"] = {"base": False, "draws": 200}
    keys["track"] = ["tensorboard"]
    # With the usual epsilon AdamW makes a full step of a gradient that is nothing but rounding.
    for stage in keys["stages"]:
        stage["optimiser"] = {"epsilon": 1e-3, "learning_rate": 0.01}
    keys["stages"][0] |= {"batch": {"rows": 6, "microbatch_tokens": 128}, "steps": 6}
    if adapter == "lora":
        held = tiny.model()
        held.network.save_pretrained(folder / "base")
        held.tokenizer.save_pretrained(folder / "base")
        keys["model"] = {"base": "base", "adapter": {"kind": "lora", "rank": 4}}
    else:
        keys["model"]["new"]["dropout"] = 0.0
    keys["model"]["precision"] = "float32"
    return tiny_run.write_recipe(folder, keys)


def torchrun(recipe, out):
    """The documented command, with two processes on this machine."""
    command = [
        "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        "-m", "madrigal", "run", str(recipe), "--out", str(out),
    ]  # fmt: skip
    environment = os.environ | {
        "MADRIGAL_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    return subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def assert_agree(ours, theirs):
    """Journals and final weights of two runs, to rounding."""
    for stage in ("01-together", "02-after"):
        one, two = (rows(run / "stages" / stage / "steps.jsonl") for run in (ours, theirs))
        assert [row["step"] for row in one] == [row["step"] for row in two]
        for left, right in zip(one, two, strict=True):
            assert left["loss"] == pytest.approx(right["loss"], rel=1e-5)
            assert left["grad_norm"] == pytest.approx(right["grad_norm"], rel=1e-4)
            assert left["weight"] == pytest.approx(right["weight"], rel=1e-3)
            for exact in ("tokens", "rows", "lr"):
                assert left[exact] == right[exact]
            assert ("conflict" in left) == ("conflict" in right)
            for what in ("cosine", "norm", "signal") if "conflict" in left else ():
                ours_, theirs_ = left["conflict"][what], right["conflict"][what]
                assert ours_ == pytest.approx(theirs_, rel=1e-3, abs=1e-5), what
        (kind,) = {"adapter", "model"} & {p.name for p in (ours / "stages" / stage).iterdir()}
        (file,) = (ours / "stages" / stage / kind).glob("*.safetensors")
        one, two = load_file(file), load_file(theirs / file.relative_to(ours))
        assert one.keys() == two.keys()
        for name in one:
            torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize(("balance", "objective"), [("mean", None), ("upgrad", ALIGNED)])
def test_two_are_as_one(forker, tmp_path, balance, objective):
    """Also where a loss is of two tasks' rows in the whole step."""
    recipe = write(tmp_path, "full", balance, objective)
    running = torchrun(recipe, tmp_path / "two")
    answer = forker.madrigal("run", recipe, "--out", tmp_path / "one")
    assert answer["code"] == 0, answer["said"]
    out, said = running.communicate(timeout=300)
    assert running.returncode == 0, said
    assert_agree(tmp_path / "two", tmp_path / "one")
    # Only the first speaks and writes.
    assert out.count("loading data and model") == 1
    assert out.count("report: ") == 1
    stage = tmp_path / "two" / "stages" / "01-together"
    assert len(rows(stage / "steps.jsonl")) == 6
    assert len(rows(stage / "validation.jsonl")) == 1
    assert len(list(stage.glob("tracking/tiny/events.out.tfevents*"))) == 1
    manifest = json.loads((tmp_path / "two" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "finished"
    assert manifest["hardware"]["processes"] == 2
    assert manifest["resumed"] == []
    padded = [sum(row["padded_tokens"] for row in rows(tmp_path / run / "stages" / "01-together"
              / "steps.jsonl")) for run in ("one", "two")]  # fmt: skip
    assert padded[0] != padded[1], "the work was not laid out for two"


def test_interrupted_as_two_and_resumed_as_one(forker, tmp_path):
    """Ctrl+C reaches every process at its own moment; they stop after the same step."""
    recipe = write(tmp_path, "lora")
    running = torchrun(recipe, tmp_path / "two")
    answer = forker.madrigal("run", recipe, "--out", tmp_path / "one")
    assert answer["code"] == 0, answer["said"]
    steps = tmp_path / "two" / "stages" / "01-together" / "steps.jsonl"
    while not steps.exists() and running.poll() is None:
        time.sleep(0.002)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=300)
    assert running.returncode != 0
    assert f"interrupted; go on with: madrigal run {recipe}" in said
    manifest = json.loads((tmp_path / "two" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "interrupted"
    newest = max((steps.parent / "checkpoints").iterdir()).name
    assert newest == f"step-{len(rows(steps)):06d}"
    answer = forker.madrigal("run", recipe, "--out", tmp_path / "two", "--resume")
    assert answer["code"] == 0, answer["said"]
    assert_agree(tmp_path / "two", tmp_path / "one")
