"""Runs that cannot be gone on from: one line each, exit code 2, and not a byte of them changed."""

import json
import shutil
from uuid import uuid4

import pytest
import yaml

import tiny
import tiny_run
from madrigal.cli.app import main
from refused import hashes, refused, untouched

KEPT = [{"kind": "replay", "keep": 5}, {"kind": "ewc", "examples": 6}, "interpolate"]
ADAPTER = {"kind": "lora", "rank": 2}


def stage(name, task, **more):
    return {"name": name, "learn": [task], "steps": 2, "batch": {"rows": 4}, **more}


@pytest.fixture(scope="module")
def old(forker, tmp_path_factory):
    """A finished run that kept for later ones; and a file of a new task."""
    folder = tmp_path_factory.mktemp("old")
    held = tiny.model()
    held.network.save_pretrained(folder / "base")
    held.tokenizer.save_pretrained(folder / "base")
    keys = tiny_run.keys() | {"model": {"base": "base", "adapter": ADAPTER}, "extendable": True}
    keys["stages"] = [stage("one", "mood"), stage("two", "echo", retain=KEPT)]
    keys["evaluate"] = {"draws": 200, "base": False}
    path = tiny_run.write_recipe(folder, keys)
    rows = [json.dumps({"text": f"hill {n}", "label": "ab"[n % 2]}) + "\n" for n in range(20)]
    (folder / "size.jsonl").write_text("".join(rows), encoding="utf-8")
    answer = forker.madrigal("run", path, "--out", folder / "run")
    assert answer["code"] == 0, answer["said"]
    return folder


def copied(old):
    """The run, in a folder from which its data is as far."""
    return shutil.copytree(old / "run", old / f"copy-{uuid4()}")


def extend(forker, old, run, out, *more):
    task = f"size={old / 'size.jsonl'}"
    return forker.madrigal("extend", run, "--task", task, "--out", out, *more)


def gone(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def cut(path):
    path.write_bytes(path.read_bytes()[:-30])


def says(text):
    return lambda path: path.write_text(text, encoding="utf-8")


def changed(**keys):
    def change(path):
        body = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(body | keys), encoding="utf-8")

    return change


def not_a_number(path):
    from safetensors.torch import load_file, save_file

    held = load_file(path)
    held[min(name for name in held if name.startswith("fisher/"))].view(-1)[0] = float("nan")
    save_file(held, path)


def another_seed(path):
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("seed: 3  #", "seed: 4  #"), encoding="utf-8")


LAST, KEPT_BY_LAST = "stages/02-two", "stages/02-two/kept"
ANEW = "take another run, or train this one anew"
FINISHED = f"finished run has one; {ANEW}"
GO_ON = "RUN: the run has not finished; go on with `madrigal run ... --resume`"
DAMAGES = {
    "no recipe": ("recipe.yaml", gone, "RUN: no recipe.yaml; give the folder that `madrigal run` "
                  "wrote"),
    "a foreign recipe": ("recipe.yaml", says("stages: 3\nlayers: []\nname: [x]\n"),
                         "RUN: holds no recipe of a run: FILE:"),
    "no YAML": ("recipe.yaml", says("a: [b\n - {"), "RUN: holds no recipe of a run: FILE:"),
    "a changed recipe": ("recipe.yaml", another_seed, "RUN: recipe.yaml is not the one that its "
                         f"manifest.json was written for; {ANEW}"),
    "no manifest": ("manifest.json", gone, f"FILE: is not there, and a {FINISHED}"),
    "half a manifest": ("manifest.json", cut, f"FILE: is damaged, and a {FINISHED}"),
    "interrupted": ("manifest.json", changed(status="interrupted"), GO_ON),
    "a stage that is not over": (f"{LAST}/done.json", gone, GO_ON),
    "no scores": ("scores.json", gone, f"FILE: is not there, and a finished run has one; {ANEW}"),
    "scores of less": ("scores.json", changed(rows=[]), f"FILE: does not end with 02-two; {ANEW}"),
    "no predictions": ("predictions/02-two/echo.jsonl", gone, "FILE: no such predictions; run "
                       "`madrigal evaluate` again"),
    "half a prediction": ("predictions/02-two/mood.jsonl", cut, "FILE:8: not a prediction ("),
    "a damaged end": (f"{LAST}/done.json", says("[]"), "FILE: is damaged, and a finished run"),
    "an end that says nothing": (f"{LAST}/done.json", says("{}"), "FILE: is damaged, so nobody "
                                 f"knows which weights the stage ended with; {ANEW}"),
    "no adapter": (f"{LAST}/adapter", gone, "RUN/stages/02-two: the stage's adapter or model is "
                   f"gone; {ANEW}"),
    "half an adapter": (f"{LAST}/adapter/adapter_model.safetensors", cut,
                        f"FILE: is damaged; {ANEW}"),
    "weights that were combined": (f"{KEPT_BY_LAST}/weights.safetensors", gone, "FILE: what an "
                                   "earlier stage kept for `interpolate` is gone or damaged"),
    "half of the examples": (f"{KEPT_BY_LAST}/replay-random-5.jsonl", cut,
                             "FILE: the examples kept for replay are gone or damaged"),
    "a Fisher that is not finite": (f"{KEPT_BY_LAST}/ewc-stage-model-6.safetensors", not_a_number,
                                    "FILE: fisher/"),
    "half a Fisher": (f"{KEPT_BY_LAST}/ewc-stage-model-6.safetensors", cut, "FILE: what an "
                      "earlier stage kept for `ewc` is gone or damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_a_run_that_is_foreign_unfinished_or_damaged(forker, old, tmp_path, name):
    file, damage, line = DAMAGES[name]
    run = copied(old)
    damage(run / file)
    with untouched(run, old):
        answer = extend(forker, old, run, tmp_path / "x")
    told = line.replace("FILE", str(run / file)).replace("RUN", str(run))
    assert refused(answer).startswith(told)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("sets", "sentence"),
    [
        ("model.adapter.rank=3", "does not fit the recipe's: base_model.model.model.layers.0."),
        (
            "model.adapter.targets=[q_proj]",
            ".default.weight is [2, 48] there, and not here; give both",
        ),
        ("model.adapter=full", "none of its trained parameters is in this model; give both"),
    ],
)
def test_an_adapter_that_does_not_fit(forker, old, tmp_path, sets, sentence):
    with untouched(old):
        answer = extend(forker, old, old / "run", tmp_path / "x", "--set", sets)
    assert sentence in refused(answer)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(("within", "said"), [("", "is"), ("sub/more", "is within")])
def test_the_old_run_is_not_written_into(forker, old, within, said):
    run = copied(old)
    with untouched(run, old):
        answer = extend(forker, old, run, run / within)
    assert refused(answer) == f"{run / within}: {said} the run to go on from; choose another --out"


def test_a_kept_fisher_of_another_shape(forker, old, tmp_path):
    from safetensors.torch import load_file, save_file

    run = copied(old)
    for file in run.glob("stages/*/kept/ewc*"):
        save_file({n: t[:1].clone() for n, t in load_file(file).items()}, file)
    with untouched(run):
        answer = extend(forker, old, run, tmp_path / "x")
    assert "the adapter must stay the same over all stages" in refused(answer)


def test_a_fisher_that_is_not_finite_at_the_old_runs_end(old, tmp_path, monkeypatch, capsys):
    """It is estimated where the old run kept none."""
    import torch

    from madrigal.training import fisher

    squares = fisher._squares

    def overflowing(*given):
        return {name: held + torch.inf for name, held in squares(*given).items()}

    monkeypatch.setattr(fisher, "_squares", overflowing)
    words = ["extend", str(old / "run"), "--task", f"size={old / 'size.jsonl'}"]
    sets = ["--set", "stages.0.retain=[{kind: ewc, examples: 7}]", "--out", str(tmp_path / "x")]
    try:
        with untouched(old):
            code = main([*words, *sets])
    finally:
        torch.use_deterministic_algorithms(False)
    told = capsys.readouterr()
    line = refused({"code": code, "said": told.out, "errors": told.err})
    assert line.startswith("stage before: the Fisher information of")
    assert "so EWC cannot hold on to it; lower optimiser.learning_rate, or leave `ewc` out" in line


def test_a_chain_whose_middle_is_whole_needs_no_beginning(forker, old, tmp_path):
    """What is damaged above is all that is wrong: undamaged, and moved, the run is gone on from."""
    run = tmp_path / "run"
    shutil.copytree(old / "run", run)
    body = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    (run / "manifest.json").write_text(json.dumps(body | {"root": str(old)}), encoding="utf-8")
    before = hashes(run)
    answer = extend(forker, old, run, tmp_path / "x")
    assert answer["code"] == 0, answer["said"]
    assert hashes(run) == before
    written = yaml.safe_load((tmp_path / "x/recipe.yaml").read_text(encoding="utf-8"))
    kinds = [one["kind"] for one in written["stages"][0]["retain"]]
    assert kinds == ["replay", "ewc", "interpolate"]
