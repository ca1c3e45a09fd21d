"""`madrigal sweep`: from two files to a page, killed and resumed, and every mistake in a line."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

import acting
import swept
from madrigal.cli.app import main

RATE = "stages.together.optimiser.learning_rate"
WORDS = ["sweep", "recipe.yaml", "--space", "sweep.yaml", "--out", "out"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder in which a sweep was run to its end, and what it printed."""
    folder = tmp_path_factory.mktemp("swept")
    swept.write(folder)
    told = subprocess.run(
        [sys.executable, "-m", "madrigal", *WORDS, "--workers", "2"],
        cwd=folder,
        env=os.environ | {"COLUMNS": "160", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    return folder, told.stdout


def test_each_trial_is_a_run_of_its_own(finished):
    folder, _ = finished
    found = swept.trials(folder / "out")
    assert [trial["state"] for trial in found] == ["finished"] * 4
    for trial in found[1:]:
        run = folder / "out" / "trials" / f"{trial['number']:04d}" / "run"
        recipe = (run / "recipe.yaml").read_text()
        assert re.search(rf"learning_rate: {trial['values'][RATE]}  # --set", recipe)
        assert "split: validation  # --set" in recipe
        scores = json.loads((run / "scores.json").read_text())
        value = scores["rows"][-1]["scores"]["lines"]["value"]
        assert trial["scores"]["tasks.lines"]["value"] == value
        assert scores["tasks"]["echo"]["n"] == 6  # validation examples, not the eight of the test
    assert len({trial["scores"]["tasks.lines"]["value"] for trial in found}) == 4
    own = (folder / "out" / "trials" / "0000" / "run" / "recipe.yaml").read_text()
    assert re.search(r"learning_rate: \S+  # default", own)


def test_the_table_and_the_page_say_the_same(finished):
    folder, told = finished
    body = json.loads((folder / "out" / "results.json").read_text())
    best = min(body["trials"], key=lambda t: t["scores"]["tasks.lines"]["value"])
    assert body["best"] == best["number"]
    page = (folder / "out" / "report.html").read_text()
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("<figure") == 3
    assert page.count('<circle class="trial') >= 3 * 3
    command = body["command"]
    assert command.startswith("madrigal run recipe.yaml")
    assert "evaluate.split" not in command
    assert command in told
    assert "The best of 4 trials" in told
    assert "Few trials: 3 with scores" in told


def test_again_runs_nothing_and_says_the_same(finished, monkeypatch, capsys):
    folder, told = finished
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "160")
    before = swept.trials(folder / "out")
    page = (folder / "out" / "report.html").read_bytes()
    monkeypatch.setattr("madrigal.sweep.work.start", None)  # nothing may begin
    assert main([*WORDS]) == 0
    assert swept.trials(folder / "out") == before
    assert (folder / "out" / "report.html").read_bytes() == page
    assert capsys.readouterr().out.splitlines() == told.splitlines()[4:]


def test_another_aim_looks_at_the_same_trials(finished, monkeypatch, capsys):
    folder, _ = finished
    monkeypatch.chdir(folder)
    words = ["--maximise", "average", "--subject-to", "tasks.mood >= 0.99"]
    assert main([*WORDS, *words]) == 0
    told = capsys.readouterr().out
    assert "tasks.mood" in told
    assert len(swept.trials(folder / "out")) == 4
    assert main([*WORDS]) == 0  # and the page is as it was


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_killed_and_resumed_it_gives_the_same_trials(finished, tmp_path, how):
    """Killed twice, whole or in the middle of a trial, then given the same command again."""
    folder, _ = finished
    swept.write(tmp_path)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "madrigal", *WORDS]
    for stop_at in (1, 2):
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True,
            # A test run that was started in the background hands down that Ctrl+C is ignored.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        log = tmp_path / "out" / "trials" / f"{stop_at:04d}" / "run" / "recipe.yaml"
        while not log.exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        process.send_signal(how)
        errors = process.communicate()[1]
        if how == signal.SIGINT:
            assert process.returncode == 130
            assert "go on with: madrigal sweep recipe.yaml" in errors
        over = [t["state"] for t in swept.trials(tmp_path / "out")]
        assert over == ["finished"] * stop_at + ["planned"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert swept.trials(tmp_path / "out") == swept.trials(folder / "out")


def test_a_failed_trial_counts_with_its_sentence(tmp_path, monkeypatch, capsys):
    """A learning rate that breaks the loss, on a path that the schema cannot refuse."""
    space = """\
search:
  tasks.mood.data.train: [mood.train.jsonl, nowhere.jsonl]
trials: 2
sampler: random
"""
    swept.write(tmp_path, space=space)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    assert main(WORDS) == 0
    told = capsys.readouterr().out
    assert "trial 1 of 2: failed: " in told
    assert "nowhere.jsonl" in told
    states = [trial["state"] for trial in swept.trials(tmp_path / "out")]
    assert states == ["finished", "failed"]
    assert "1 trial failed and count for no importance" in told or "1 trial failed" in told
    (tmp_path / "nowhere.jsonl").write_text((tmp_path / "mood.train.jsonl").read_text())
    assert main([*WORDS, "--retry-failed"]) == 0
    assert [t["state"] for t in swept.trials(tmp_path / "out")] == ["finished"] * 2


def test_a_recipe_that_is_refused_ends_the_sweep_with_its_lines(tmp_path, monkeypatch, capsys):
    swept.write(tmp_path)
    (tmp_path / "mood.train.jsonl").unlink()
    monkeypatch.chdir(tmp_path)
    assert main(WORDS) == 2
    assert "mood.train.jsonl" in capsys.readouterr().err
    assert [t["state"] for t in swept.trials(tmp_path / "out")] == ["planned"]


def test_rewards_and_divergence_of_own_answers_can_be_aimed_at(tmp_path):
    """They are those of the rollouts, and stand on the page."""
    held = acting.keys(acting.KINDS["rloo"] | {"normalise": "none"}, 4, learn=["echo"])
    held["stages"][0]["steps"] = 2
    space = """\
maximise: own.echo.reward
subject_to: [own.echo.divergence <= 0.05]
sampler: random
trials: 2
search: {stages.act.optimiser.learning_rate: [1e-5, 0.05]}
"""
    swept.write(tmp_path, held, space)
    words = ["sweep", str(tmp_path / "recipe.yaml"), "--space", str(tmp_path / "sweep.yaml")]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    for trial in swept.trials(tmp_path / "out"):
        run = tmp_path / "out" / "trials" / f"{trial['number']:04d}" / "run"
        path = run / "stages" / "02-act" / "rollouts.jsonl"
        rows = [json.loads(line)["means"] for line in path.read_text().splitlines()]
        for name in ("reward", "divergence"):
            mean = sum(row[name] for row in rows) / len(rows)
            assert trial["scores"][f"own.echo.{name}"]["value"] == pytest.approx(mean, abs=1e-6)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "own.echo.divergence" in page
