"""Runs side by side: paired, adjusted over tasks, and over seeds."""

from dataclasses import replace
from pathlib import Path

import pytest

from madrigal.cli.app import main
from madrigal.cli.compare import only_seeds_differ, spread, verdict
from madrigal.evaluation.compare import compare_runs
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
    sentence = "Better on 1 of 2 tasks, worse on 1, no clear difference on 0."
    assert verdict(compare_runs([first, other]), "b").startswith(sentence)
    assert main(["compare", str(first), str(other)]) == 0
    said = capsys.readouterr().out
    assert sentence in said
    line = next(line for line in said.splitlines() if line.startswith("mood"))
    for part in ("37.5", "87.5", "▲ +50.0", "20/0"):
        assert part in line
    assert "▼ +" in next(line for line in said.splitlines() if line.startswith("prose"))
    assert "differ by their seed" not in said, "the recipes differ in their steps too"


def test_a_difference_that_holms_correction_takes_back_is_unclear(tmp_path: Path):
    """Six won and none lost: clear as the only task, not as one of two."""
    first = a_run(tmp_path / "a", right=20, nats=20.0)
    six, seven = (a_run(tmp_path / f"{more}", right=20 + more, nats=20.0) for more in (6, 7))
    (mood, _) = compare_runs([first, six]).tasks
    assert mood.difference.low > 0
    assert mood.difference.p < 0.05 < mood.p_holm
    assert mood.verdict == "unclear"
    (mood, _) = compare_runs([first, seven]).tasks
    assert mood.p_holm < 0.05
    assert mood.verdict == "better"
    assert replace(mood, confidence=0.99).verdict == "unclear", "the level is the run's"


def test_two_equal_runs_show_no_difference(tmp_path: Path):
    first, other = (a_run(tmp_path / name, 20, 20.0) for name in "ab")
    sentence = "Better on 0 of 2 tasks, worse on 0, no clear difference on 2."
    assert verdict(compare_runs([first, other]), "b").startswith(sentence)


def test_runs_that_differ_by_their_seed_have_a_spread(tmp_path: Path, capsys, wide):
    runs = [a_run(tmp_path / f"s{i}", right, 20.0, seed=i) for i, right in enumerate((20, 22, 27))]
    assert only_seeds_differ(runs)
    assert not only_seeds_differ([*runs, a_run(tmp_path / "t", 20, 20.0, seed=1)]), "a seed twice"
    found = spread(runs, ["01-one"] * 3, PLAN)
    assert found["mood"].mean == pytest.approx((20 + 22 + 27) / 120)
    assert main(["compare", *map(str, runs)]) == 0
    said = capsys.readouterr().out
    assert "3 runs that differ by their seed" in said
    assert "50.0, 55.0, 67.5" in said


def test_the_base_can_be_compared(tmp_path: Path, capsys, wide):
    runs = [str(a_run(tmp_path / name, 20, 20.0)) for name in "ab"]
    assert main(["compare", *runs, "--stage", "base"]) == 0
    assert "b (base) against a (base)" in capsys.readouterr().out


def test_what_cannot_be_compared_says_why(tmp_path: Path, capsys):
    run = str(a_run(tmp_path / "a", 20, 20.0))
    cases = {
        (run,): "compare needs at least two run folders: `madrigal compare RUN RUN`",
        (run, run, "--stage", "bsae"): f"{run}: no predictions of stage 'bsae'; found 01-one, base",
        (run, str(tmp_path)): f"{tmp_path}: no scores.json; "
        "run `madrigal run` to its end, or `madrigal evaluate`",
    }
    for words, line in cases.items():
        assert main(["compare", *words]) == 2
        assert capsys.readouterr().err == f"{line}\n"


def test_a_joint_run_tells_the_intransigence_of_a_run_in_stages(tmp_path: Path, capsys, wide):
    joint = a_run(tmp_path / "joint", 30, 3.0)
    stages = tmp_path / "stages"
    for label, right in (("base", 10), ("01-mood", 26), ("02-prose", 12)):
        for task in PLAN.metrics:
            place = stages / "predictions" / label / f"{task}.jsonl"
            write_predictions(place, predictions(task, right, 3.0))
    (stages / "recipe.yaml").write_text(RECIPE.format(name="stages", seed=0, steps=5))
    plan = replace(PLAN, learned={"01-mood": ("mood",), "02-prose": ("prose",)})
    write_scores(stages, score_run(stages, plan))
    assert main(["compare", str(stages), str(joint)]) == 0
    # 26 of 40 when mood was learnt, 30 in the joint run; the perplexity is left out.
    told = capsys.readouterr().out
    assert "Intransigence of stages with joint as the joint model: +10.0\xa0points (+" in told
    assert told.count("Intransigence") == 1
