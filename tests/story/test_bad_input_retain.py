"""What cannot be retained is told in one line, before the run or when it is missed."""

import json
import shutil

import pytest

import tiny
import tiny_run
from madrigal.cli.app import main
from refused import refused, untouched

GOOD = """\
name: good
model: {base: madrigal/base-xs, adapter: ADAPTER}
tasks:
  mood: {data: {train: mood.jsonl, test: mood.jsonl}, labels: [sad, happy]}
  talk: {data: {train: talk.jsonl, test: talk.jsonl}, labels: [sad, happy]}
  law: {data: {train: law.jsonl, test: law.jsonl}, labels: [sad, happy]}
stages:
  - {name: one, learn: mood, steps: 3, retain: FIRST}
  - {name: two, learn: SECOND_LEARNS, steps: 3, balance: BALANCE, retain: SECOND}
  - {name: three, learn: law, steps: 3, retain: THIRD}
"""
PLAIN = {
    "ADAPTER": "lora", "FIRST": "[]", "SECOND_LEARNS": "talk", "BALANCE": "mean", "SECOND": "[]",
    "THIRD": "[]",
}  # fmt: skip

# What is written in the places of GOOD, and what is then said, without `recipe.yaml:`.
MISTAKES = {
    "the first stage": (
        {"FIRST": "replay"},
        "8: stages[0].retain: the first stage has nothing to retain; remove it, or put it into a "
        "later stage",
    ),
    "twice": (
        {"SECOND": "[replay, {kind: replay, keep: 3}]"},
        "9: stages[1].retain[1]: 'replay' stands twice; keep one",
    ),
    "unknown": (
        {"SECOND": "[ewcc]"},
        "9: stages[1].retain[0]: unknown kind 'ewcc'; did you mean 'ewc'?",
    ),
    "asked about what is not replayed": (
        {"SECOND": "{kind: distill, on: all}"},
        "9: stages[1].retain[0].on: nothing is replayed that the teacher could be asked about; "
        "add `replay`, or write `on: new`",
    ),
    "share and count": (
        {"SECOND": "{kind: replay, share: 0.1, count: 2}"},
        "9: stages[1].retain[0].count: `share` and `count` are both given; keep one",
    ),
    "no share": (
        {"SECOND": "{kind: replay, share: 0}"},
        "9: stages[1].retain[0].share: found 0; must be above 0 (examples of earlier tasks for "
        "each example of the stage's own, exact over the steps)",
    ),
    "all learnt again": (
        {"SECOND_LEARNS": "[mood, talk]", "SECOND": "replay"},
        "9: stages[1].retain[0]: every earlier task is learnt by this stage again, so none is "
        "left to replay; remove it, or learn fewer tasks",
    ),
    "o_lora with all weights": (
        {"ADAPTER": "full", "SECOND": "o_lora"},
        "9: stages[1].retain[0]: 'o_lora' needs `adapter: lora`, and this is `full`; choose "
        "another",
    ),
    "o_lora without a shared adapter": (
        {"ADAPTER": "{kind: lora, layers: none, private: 2}", "SECOND": "o_lora"},
        "9: stages[1].retain[0]: 'o_lora' freezes the shared adapter, and with `layers: none` "
        "there is none; remove it: private parts keep tasks apart already",
    ),
    "o_lora and merge": (
        {"SECOND": "[o_lora, merge]", "THIRD": "merge"},
        "9: stages[1].retain[1]: 'merge' begins each stage at the weights before all stages, and "
        "'o_lora' on top of what earlier ones froze; keep one of the two in the whole recipe",
    ),
    "o_lora and back to the base": (
        {"SECOND": "[o_lora, {kind: interpolate, to: base}]"},
        "9: stages[1].retain[1].to: 'o_lora' freezes the adapters of earlier stages, and `to: "
        "base` would change them; write `to: start`, or keep one of the two",
    ),
    "merge and then not": (
        {"SECOND": "merge"},
        "10: stages[2]: the stage after one that merges starts at the merged weights, and does not "
        "merge; give it `retain: merge` too, or remove it here",
    ),
    "not and then merge": (
        {"THIRD": "merge"},
        "10: stages[2].retain[0]: 'merge' joins changes from the weights before all stages, and "
        "the stage before this began elsewhere; give that `retain: merge` too, or remove it",
    ),
    "agem without replay": (
        {"BALANCE": "agem", "SECOND_LEARNS": "[talk, law]"},
        "9: stages[1].balance.kind: 'agem' protects replayed examples, and the stage replays none; "
        "add `retain: replay`, or choose another balancer",
    ),
    "a balancer for one task": (
        {"BALANCE": "upgrad"},
        "9: stages[1].balance: 'upgrad' weighs tasks against each other, and the stage learns "
        "'talk' alone; remove it or add a task",
    ),
}  # fmt: skip


def written(folder, changes):
    text = GOOD
    for place, value in (PLAIN | changes).items():
        text = text.replace(f" {place}", f" {value}")
    rows = [json.dumps({"text": f"w {i}", "label": ("sad", "happy")[i % 2]}) for i in range(8)]
    for task in ("mood", "talk", "law"):
        (folder / f"{task}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_has_its_line(name, tmp_path, monkeypatch, capsys):
    changes, line = MISTAKES[name]
    written(tmp_path, changes)
    monkeypatch.chdir(tmp_path)
    with untouched(tmp_path):
        code = main(["run", "recipe.yaml"])
    told = capsys.readouterr()
    said = {"code": code, "said": told.out + told.err, "errors": told.err}
    assert refused(said) == f"recipe.yaml:{line}"
    assert told.out == ""


def recipe(retain):
    keys = tiny_run.keys()
    keys["evaluate"] = {"draws": 200}
    one = {"learn": ["mood"], "steps": 2, "batch": {"rows": 4}}
    two = one | {"name": "after", "learn": ["echo"], "retain": retain}
    keys["stages"] = [one | {"name": "first"}, two]
    return keys


RETAIN = [
    {"kind": "replay", "keep": 5},
    {"kind": "ewc", "examples": 6},
    {"kind": "merge"},
]


@pytest.fixture(scope="module")
def whole(forker, tmp_path_factory):
    """A run of two stages, the second of which retains the first."""
    folder = tmp_path_factory.mktemp("whole")
    path = tiny_run.write_recipe(folder, recipe(RETAIN))
    answer = forker.madrigal("run", path, "--out", folder / "run")
    assert answer["code"] == 0, answer["said"]
    return path, folder / "run"


def halted(whole, tmp_path):
    """A copy of the run as it was before the second stage."""
    out = tmp_path / "run"
    shutil.copytree(whole[1], out)
    shutil.rmtree(out / "stages/02-after")
    shutil.rmtree(out / "predictions/02-after")
    for name in ("scores.json", "report.html", "README.md"):
        (out / name).unlink()
    return out


def not_a_number(path):
    from safetensors.torch import load_file, save_file

    held = load_file(path)
    first = min(name for name in held if name.startswith("fisher/"))
    held[first].view(-1)[0] = float("nan")
    save_file(held, path)


def another_shape(path):
    from safetensors.torch import load_file, save_file

    held = load_file(path)
    save_file({name: tensor[:-1].clone() for name, tensor in held.items()}, path)


def without_the_task(path):
    path.write_text(path.read_text(encoding="utf-8").replace('"mood"', '"moon"'), encoding="utf-8")


REPLAY, EWC = "replay-random-5.jsonl", "ewc-stage-model-6.safetensors"
START_ANEW = "start anew with another --out, or leave"
DAMAGES = {
    "the buffer is gone": (
        REPLAY, lambda path: path.unlink(),
        f"FILE: the examples kept for replay are gone or damaged; {START_ANEW} `replay` out",
    ),
    "the buffer is cut": (
        REPLAY, lambda path: path.write_bytes(path.read_bytes()[:-20]),
        f"FILE: the examples kept for replay are gone or damaged; {START_ANEW} `replay` out",
    ),
    "the task is gone": (
        REPLAY, without_the_task,
        f"FILE: no example of 'mood' is left for replay; {START_ANEW} `replay` out",
    ),
    "the Fisher is gone": (
        EWC, lambda path: path.unlink(),
        f"FILE: what an earlier stage kept for `ewc` is gone or damaged; {START_ANEW} `ewc` out",
    ),
    "the Fisher is not finite": (
        EWC, not_a_number,
        "FILE: fisher/model.embed_tokens.weight is not finite or not known, so EWC cannot use it; "
        f"{START_ANEW} `ewc` out",
    ),
    "the Fisher is of another shape": (
        EWC, another_shape,
        "ewc: earlier stages kept 299x32 for model.embed_tokens.weight, which is 300x32 now; the "
        "adapter must stay the same over all stages",
    ),
    "the change is gone": (
        "change.safetensors", lambda path: path.unlink(),
        "FILE: what an earlier stage kept for `merge` is gone or damaged; "
        f"{START_ANEW} `merge` out",
    ),
    "the change is of another shape": (
        "change.safetensors", another_shape,
        "FILE: holds 299x32 for model.embed_tokens.weight, which is 300x32 now; the adapter must "
        "stay the same over all stages",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_what_a_stage_kept_is_missed(forker, whole, tmp_path, name):
    file, damage, line = DAMAGES[name]
    out = halted(whole, tmp_path)
    path = out / "stages/01-first/kept" / file
    damage(path)
    with untouched(out / "stages/01-first", out / "predictions"):
        answer = forker.madrigal("run", whole[0], "--out", out, "--resume")
    assert refused(answer) == line.replace("FILE", str(path))


def test_merged_weights_that_are_gone_are_missed(forker, whole, tmp_path):
    """Those of the last step are there, and are not what the stage ended with."""
    out = tmp_path / "run"
    shutil.copytree(whole[1], out)
    path = out / "stages/02-after/kept/weights.safetensors"
    path.unlink()
    with untouched(out / "stages"):
        answer = forker.madrigal("run", whole[0], "--out", out, "--resume")
    assert refused(answer) == (
        f"{path}: what an earlier stage kept for `merge` is gone or damaged; {START_ANEW} `merge` "
        "out"
    )


def test_halted_and_resumed_it_is_the_whole_run(forker, whole, tmp_path):
    """The cases above fail for what was damaged and for nothing else."""
    out = halted(whole, tmp_path)
    answer = forker.madrigal("run", whole[0], "--out", out, "--resume")
    assert answer["code"] == 0, answer["said"]
    for name in ("scores.json", "stages/02-after/model/model.safetensors"):
        assert (out / name).read_bytes() == (whole[1] / name).read_bytes()


def test_a_fisher_that_is_not_finite_ends_the_run(tmp_path, monkeypatch, capsys):
    """The weights of a stage have become so large that squares of gradients overflow."""
    import torch

    from madrigal.pipeline import stage as room

    train = room.train

    def blown_up(run, observe):
        progress = train(run, observe)
        with torch.no_grad():
            for _, parameter in run.parts.model.trainable():
                parameter.fill_(float("inf"))
        return progress

    monkeypatch.setattr(room, "train", blown_up)
    path = tiny_run.write_recipe(tmp_path, recipe([{"kind": "ewc", "examples": 4}]))
    try:
        code = main(["run", str(path), "--out", str(tmp_path / "run")])
    finally:
        torch.use_deterministic_algorithms(False)
    assert code == 2
    assert capsys.readouterr().err == (
        "stage first: the Fisher information of model.embed_tokens.weight is not finite, "
        "so EWC cannot hold on to it; lower optimiser.learning_rate, or leave `ewc` out\n"
    )
    manifest = json.loads((tmp_path / "run/manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"].startswith("stopped: stage first")


def test_an_adapter_on_a_table_cannot_be_folded(forker, tmp_path):
    """Told before anything is trained."""
    adapter = {"kind": "lora", "rank": 2, "targets": ["embed_tokens", "q_proj"]}
    held = tiny.model()
    held.network.save_pretrained(tmp_path / "base")
    held.tokenizer.save_pretrained(tmp_path / "base")
    keys = recipe(["o_lora"]) | {"model": {"base": "base", "adapter": adapter}}
    path = tiny_run.write_recipe(tmp_path, keys)
    assert refused(forker.madrigal("run", path, "--out", tmp_path / "run")) == (
        "o_lora: model.adapter.targets: base_model.model.model.embed_tokens.lora_embedding_A."
        "default is not on a linear layer, and only these can take an adapter in; name other "
        "`targets`"
    )
    assert not (tmp_path / "run").exists()
