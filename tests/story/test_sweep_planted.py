"""Thirty trials of a stand-in for `madrigal run`: one knob matters, two do not, some fail."""

import json
import sys

import pytest

import swept
from madrigal.cli.app import main

SPACE = """\
maximise: average
subject_to: [forgetting <= 0.3]
sampler: SAMPLER
trials: 30
seed: 1
search:
  stages.together.optimiser.learning_rate: {low: 1e-5, high: 1e-1, scale: log}
  stages.together.batch.rows: {low: 2, high: 16}
  stages.together.balance: [mean, upgrad, pcgrad]
"""
# Better with a larger rate, which also forgets more; pcgrad with many rows stops itself.
STAND_IN = """\
import json, math, os, sys
words = dict(w.split("=", 1) for w in sys.argv if "=" in w)
out = sys.argv[sys.argv.index("--out") + 1]
rate = float(words.get("stages.together.optimiser.learning_rate", 1e-3))
rows = int(words.get("stages.together.batch.rows", 4))
if words.get("stages.together.balance") == "pcgrad" and rows > 8:
    print("stopped: loss is not finite", file=sys.stderr)
    sys.exit(3)
place = (math.log10(rate) + 5) / 4
os.makedirs(out)
scores = {"average": {"value": place}, "forgetting": {"value": place / 2}}
with open(os.path.join(out, "scores.json"), "w") as file:
    json.dump({"summary": scores}, file)
"""
RATE = "stages.together.optimiser.learning_rate"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    command = (sys.executable, "-S", str(tmp_path / "stand_in.py"))
    monkeypatch.setattr("madrigal.sweep.process.COMMAND", command)
    return tmp_path


def swept_with(sampler, folder, *words):
    recipe = swept.keys()
    swept.write(folder, recipe, SPACE.replace("SAMPLER", sampler))
    options = ["--space", "sweep.yaml", "--out", "out", "--workers", "2"]
    assert main(["sweep", "recipe.yaml", *options, *words]) == 0
    return json.loads((folder / "out" / "results.json").read_text())


def test_the_knob_that_matters_is_named_and_the_others_are_not(folder, capsys):
    body = swept_with("random", folder)
    for score in ("average", "forgetting"):
        sure = [one["key"] for one in body["importance"][score] if one["sure"]]
        assert sure == [RATE]
    told = capsys.readouterr().out
    assert f"What average differs by goes with {RATE} (" in told
    states = [trial["state"] for trial in body["trials"]]
    assert 0 < states.count("failed") < 10
    assert "failed: stopped: loss is not finite" in told
    assert f"{states.count('failed')} trials failed and count for no importance." in told


def test_the_best_keeps_its_bound(folder, capsys):
    body = swept_with("random", folder)
    best = body["trials"][body["best"]]
    assert best["scores"]["forgetting"]["value"] <= 0.3
    better = [
        trial
        for trial in body["trials"]
        if trial["state"] == "finished"
        and trial["scores"]["average"]["value"] > best["scores"]["average"]["value"]
    ]
    assert better
    assert not any(trial["kept"] for trial in better)
    assert f"{RATE}={best['labels'][RATE]}" in body["command"]
    assert body["command"] in capsys.readouterr().out


def test_tpe_gives_the_same_trials_however_it_is_cut(folder):
    """Thirty trials at once, or ten and then thirty, with two workers."""
    pytest.importorskip("optuna")
    whole = [trial["values"] for trial in swept_with("tpe", folder)["trials"]]
    (folder / "out").rename(folder / "whole")
    assert len(swept_with("tpe", folder, "--trials", "10")["trials"]) == 10
    parts = [trial["values"] for trial in swept_with("tpe", folder)["trials"]]
    assert parts == whole
    late = [values[RATE] for values in whole[15:]]
    assert sum(1e-4 < rate < 1e-2 for rate in late) > 8  # the bound allows up to 2.5e-3


def test_tpe_in_a_data_base_of_several_machines(folder):
    """Two folders, one after the other, are two machines; each page shows all trials."""
    pytest.importorskip("optuna")
    url = f"sqlite:///{folder}/sweep.db"
    swept_with("tpe", folder, "--trials", "8", "--storage", url)
    (folder / "out").rename(folder / "first")
    body = swept_with("tpe", folder, "--trials", "14", "--storage", url)
    assert [trial["number"] for trial in body["trials"]] == list(range(14))
    assert len(list((folder / "out").glob("trials/*"))) == 6


def test_where_the_first_trials_all_fail_it_ends(folder, capsys):
    (folder / "stand_in.py").write_text(
        "import sys; print('no room', file=sys.stderr); sys.exit(3)"
    )
    swept.write(folder, space=SPACE.replace("SAMPLER", "random"))
    words = ["sweep", "recipe.yaml", "--space", "sweep.yaml", "--out", "out"]
    assert main(words) == 3
    assert capsys.readouterr().err == (
        "stopped: the first 3 trials failed, the last with: no room; mend that, then go on with "
        "--retry-failed\n"
    )
    assert main(words) == 3  # and does not run the others by being asked again
    assert len(list((folder / "out").glob("trials/*"))) == 3
    (folder / "stand_in.py").write_text(STAND_IN)
    assert main([*words, "--retry-failed"]) == 0


def test_a_recipe_that_changes_while_it_runs_ends_it(folder, capsys):
    change = "open('recipe.yaml', 'a').write('# another\\n')\n"
    (folder / "stand_in.py").write_text(STAND_IN + change)
    swept.write(folder, space=SPACE.replace("SAMPLER", "random"))
    assert main(["sweep", "recipe.yaml", "--space", "sweep.yaml", "--out", "out"]) == 2
    assert "recipe.yaml: was changed while the sweep ran; change it back" in capsys.readouterr().err
