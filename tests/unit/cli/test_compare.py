"""Runs side by side: paired, adjusted over tasks, and over seeds."""

from pathlib import Path

import pytest

from madrigal.cli.app import main
from madrigal.cli.compare import differences, only_seeds_differ, read_side, spread, verdict
from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.plan import Plan
from madrigal.evaluation.prediction import Prediction, write_predictions
from madrigal.evaluation.scores_file import score_run, write_scores

RECIPE = """\
name: {name}
seed: {seed}
tasks: {{mood: {{data: m.jsonl}}, prose: {{data: p.txt}}}}
stages: [{{name: one, learn: [mood, prose], steps: {steps}}}]
"""
PLAN = Plan(
    metrics={"mood": "accuracy", "prose": "perplexity"},
    learned={"01-one": ("mood", "prose")},
    resampling=Resampling(draws=300),
)


def predictions(task: str, right: int, nats: float) -> list[Prediction]:
    def row(i: int) -> Prediction:
        said = "happy" if i < right else "sad"
        measured = {"choices": {"happy": -1.0, "sad": -2.0}} if task == "mood" else {}
        if task == "prose":
            measured = {"nats": nats + i % 3, "tokens": 10, "bytes": 40}
        return Prediction(
            task=task, id=f"{i:03d}", where=f"f:{i}", cluster=f"{i:03d}",
            kind="choice" if task == "mood" else "text", prompt="p", targets=("happy",),
            output=said, score=float(i < right), **measured,  # type: ignore[arg-type]
        )  # fmt: skip

    return [row(i) for i in range(40)]


def a_run(folder: Path, right: int, nats: float, seed: int = 0, steps: int = 5) -> Path:
    for label, shift in (("base", -10), ("01-one", 0)):
        for task in PLAN.metrics:
            place = folder / "predictions" / label / f"{task}.jsonl"
            write_predictions(place, predictions(task, right + shift, nats - shift))
    text = RECIPE.format(name=folder.name, seed=seed, steps=steps)
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    write_scores(folder, score_run(folder, PLAN))
    return folder


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "200")


def test_a_clear_gain_and_a_clear_loss_are_told(tmp_path: Path, capsys, wide):
    first = a_run(tmp_path / "a", right=15, nats=20.0)
    other = a_run(tmp_path / "b", right=35, nats=25.0, steps=6)
    found = differences(read_side(first, None), read_side(other, None))
    mood, p = found["mood"]
    assert (mood.first, mood.second) == (pytest.approx(15 / 40), pytest.approx(35 / 40))
    assert (mood.won, mood.lost) == (20, 0)
    assert p == pytest.approx(2 * 0.5**20 * 2, rel=0.01), "McNemar, times two tasks"
    assert found["prose"][0].difference > 0, "a higher perplexity"
    sentence = (
        "Better on 1 of 2 tasks, worse on 1, no clear difference on 0 (p below 0.05 after Holm)."
    )
    assert verdict(found, PLAN) == sentence
    assert main(["compare", str(first), str(other)]) == 0
    said = capsys.readouterr().out
    assert sentence in said
    line = next(line for line in said.splitlines() if line.startswith("mood"))
    assert "37.5" in line
    assert "87.5" in line
    assert "+50.0" in line
    assert "20/0" in line
    assert "differ by their seed" not in said, "the recipes differ in their steps too"


def test_two_equal_runs_show_no_difference(tmp_path: Path):
    first, other = (read_side(a_run(tmp_path / n, 20, 20.0), None) for n in "ab")
    found = differences(first, other)
    assert {task: d.difference for task, (d, _) in found.items()} == {"mood": 0.0, "prose": 0.0}
    assert verdict(found, PLAN).startswith("Better on 0 of 2 tasks, worse on 0, no clear")


def test_runs_that_differ_by_their_seed_have_a_spread(tmp_path: Path, capsys, wide):
    runs = [a_run(tmp_path / f"s{i}", right, 20.0, seed=i) for i, right in enumerate((20, 22, 27))]
    assert only_seeds_differ(runs)
    assert not only_seeds_differ([*runs, a_run(tmp_path / "t", 20, 20.0, seed=1)]), "a seed twice"
    found = spread([read_side(run, None) for run in runs])
    assert found["mood"].mean == pytest.approx((20 + 22 + 27) / 120)
    assert main(["compare", *map(str, runs)]) == 0
    said = capsys.readouterr().out
    assert "3 runs that differ by their seed" in said
    assert "50.0, 55.0, 67.5" in " ".join(said.split()).replace(" %", "")


def test_any_stage_or_the_base_can_be_compared(tmp_path: Path):
    run = a_run(tmp_path / "a", 20, 20.0)
    assert read_side(run, None).label == "01-one"
    assert read_side(run, "one").label == "01-one"
    assert read_side(run, "base").label == "base"


def test_what_cannot_be_compared_says_why(tmp_path: Path, capsys):
    run = str(a_run(tmp_path / "a", 20, 20.0))
    cases = {
        (run,): "madrigal compare: one run; give two or more run folders",
        (run, run, "--stage", "bsae"): f"{run}: no predictions of 'bsae'; did you mean 'base'?",
        (run, str(tmp_path)): f"{tmp_path}: no scores.json; "
        "run `madrigal run` to its end, or `madrigal evaluate`",
    }
    for words, line in cases.items():
        assert main(["compare", *words]) == 2
        assert capsys.readouterr().err == f"{line}\n"
