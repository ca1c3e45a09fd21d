"""Scores again from predictions, and a run's model on other data."""

import json
import shutil
from pathlib import Path

import pytest

from madrigal.cli.app import main
from madrigal.evaluation.evaluate import evaluate_task
from madrigal.evaluation.prediction import read_predictions, write_predictions
from madrigal.pipeline.trained import find_trained, load_trained, recipe_of
from madrigal.tasks.load import load_tasks


@pytest.fixture
def scored(run: Path, tmp_path: Path) -> Path:
    """A copy of the run with predictions of the base and after both stages, but no scores yet."""
    folder = tmp_path / "runs" / "tiny"
    shutil.copytree(run.parent, tmp_path / "runs")
    loaded = recipe_of(folder)
    assert loaded.root == (tmp_path / "runs").resolve()
    task = load_tasks(loaded.recipe, loaded.root)["mood"]
    for label, stage in (("base", "one"), ("01-one", "one"), ("02-two", "two")):
        model, coder = load_trained(find_trained(folder, stage))
        place = folder / "predictions" / label / "mood.jsonl"
        place.parent.mkdir(parents=True)
        write_predictions(place, evaluate_task(model, coder, task, task.splits["test"]))
    return folder


def test_scores_are_made_from_the_predictions(scored: Path, capsys):
    assert main(["evaluate", str(scored)]) == 0
    assert "mood" in capsys.readouterr().out
    scores = json.loads((scored / "scores.json").read_text(encoding="utf-8"))
    rows = read_predictions(scored / "predictions" / "02-two" / "mood.jsonl")
    right = sum(row.output in row.targets for row in rows) / len(rows)
    assert scores["rows"][-1]["stage"] == "02-two"
    assert scores["rows"][-1]["scores"]["mood"]["value"] == pytest.approx(right)
    assert (scored / "report.html").is_file()
    # Again, and without the data: the scores say what was judged how.
    before = (scored / "scores.json").read_bytes()
    (scored.parent / "mood.jsonl").unlink()
    (scored / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    assert main(["evaluate", str(scored)]) == 0
    assert (scored / "scores.json").read_bytes() == before


def test_a_model_is_scored_on_another_file(run: Path, tmp_path: Path, capsys):
    new = tmp_path / "new.jsonl"
    # One label only: the other must still be a choice.
    new.write_text('{"text": "x", "label": "happy"}\n{"text": "y", "label": "happy"}\n')
    words = ["evaluate", str(run), "--task", f"mood={new}", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    rows = read_predictions(tmp_path / "out" / "mood.jsonl")
    assert [set(row.choices or ()) for row in rows] == [{"happy", "sad"}] * 2
    right = sum(row.output == "happy" for row in rows) / 2
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("mood"))
    assert line.split()[:3] == ["mood", "accuracy", f"{100 * right:.1f}"]
    assert line.split()[-1] == "2"


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("mood", "--task mood: no 'TASK=FILE'; write --task reviews=new.jsonl"),
        ("moot=a.jsonl", "--task moot=a.jsonl: the run has no task 'moot'; did you mean 'mood'?"),
        ("mood=/no/such.jsonl", "/no/such.jsonl: no such file; there is no folder 'no'"),
    ],
)
def test_a_wrong_file_is_told(run: Path, capsys, given: str, line: str):
    assert main(["evaluate", str(run), "--task", given]) == 2
    assert capsys.readouterr().err == f"{line}\n"
