"""The verdict on whole made-up runs: who was hurt, by whom, what to try; a clean twin is quiet."""

import json
import shutil

import pytest

from fake_rows import METRICS
from fake_run import ONE_STAGE, write_run
from madrigal.errors import RunFolderError
from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.plan import Plan
from madrigal.evaluation.scores_file import score_run, write_scores
from madrigal.report.diagnosis import diagnose
from madrigal.report.folder import read_run
from madrigal.report.interference import measured
from madrigal.report.scoreboard import read_scores
from planted import Fight, Gradients

# In a made-up run of one stage, titles and statutes are worse than their single-task models.
HURT = {"titles", "statutes"}
FIGHT = Gradients(every=2, fight=Fight(("inference", "titles"), -0.7))


def told(folder, stage=None):
    run = read_run(folder)
    return diagnose(run, read_scores(run), measured(run), stage)


def one_stage(folder, gradients, **how):
    return write_run(folder, examples=120, steps=120, stages=ONE_STAGE, few_shot=False,
                     gradients=gradients, **how)  # fmt: skip


def made_well(folder):
    """Gives every task's single-task model the answers of the multi-task one."""
    for task in METRICS:
        shutil.copy(folder / "predictions/01-together" / f"{task}.jsonl",
                    folder / "predictions/single" / f"{task}.jsonl")  # fmt: skip
    plan = Plan(metrics=METRICS, learned=ONE_STAGE, resampling=Resampling(7, draws=200))
    write_scores(folder, score_run(folder, plan))
    return folder


def names(hurt):
    return {remedy.name for remedy in hurt.remedies}


def test_who_was_hurt_and_by_whom(tmp_path):
    found = told(one_stage(tmp_path, FIGHT))
    assert found.verdict == (
        "Sharing one model hurt 2 of 5 tasks: titles and statutes were better off alone."
    )
    by_task = {hurt.task: hurt for hurt in found.hurt}
    assert set(by_task) == HURT
    assert "conflict" in names(by_task["titles"])
    assert "conflict" not in names(by_task["statutes"])
    (remedy,) = [r for r in by_task["titles"].remedies if r.name == "conflict"]
    assert remedy.because.startswith("inference and titles pull against each other throughout")
    assert "in blocks 2 and 3" in remedy.because
    assert "against its single-task model, p = 0.00" in by_task["titles"].sentence
    # 120 examples: a loss of several points would not be seen.
    assert found.notes[0].startswith("Smaller losses than these points cannot be seen")
    assert "another seed" in found.notes[1]


def test_a_conflict_that_cost_nothing_is_told_and_nothing_is_suggested(tmp_path):
    found = told(made_well(one_stage(tmp_path, FIGHT)))
    assert found.hurt == ()
    assert found.verdict == (
        "No task was hurt: none is clearly worse than its single-task model, although some pull "
        "against each other. There is nothing to remedy."
    )
    assert found.fights[0][1][0].startswith("inference and titles pull against each other")


def test_the_clean_twin_is_quiet(tmp_path):
    found = told(made_well(one_stage(tmp_path, Gradients(every=2))))
    assert found.hurt == ()
    assert found.verdict == (
        "No task was hurt: none is clearly worse than its single-task model. "
        "There is nothing to remedy."
    )
    ((stage, (sentence,)),) = found.fights
    assert stage == "together"
    assert sentence.startswith("No pair of tasks conflicts over 59 measured steps: the lowest")
    assert found.notes == ()


def test_hurt_without_conflict_points_elsewhere(tmp_path):
    quiet = Gradients(
        every=2, size={"statutes": 9.0, "titles": 0.3}, noise={"titles": 90.0}, blocks=1
    )
    found = {hurt.task: hurt for hurt in told(one_stage(tmp_path, quiet)).hurt}
    assert {"overpowered", "noise"} <= names(found["titles"])
    assert "conflict" not in names(found["titles"])
    assert not {"overpowered", "noise", "conflict"} & names(found["statutes"])


def test_few_examples_are_imbalance(tmp_path):
    folder = one_stage(tmp_path, Gradients(every=2))
    path = folder / "data/titles.json"
    card = json.loads(path.read_text())
    card["counts"]["train"] = 90
    path.write_text(json.dumps(card))
    found = {hurt.task: hurt for hurt in told(folder).hurt}
    assert "imbalance" in names(found["titles"])
    assert "imbalance" not in names(found["statutes"])


def test_what_a_later_stage_took_is_forgetting(tmp_path):
    found = {hurt.task: hurt for hurt in told(write_run(tmp_path, examples=120, steps=30)).hurt}
    assert names(found["passages"]) == {"forgetting"}
    # The later stage trained titles as well: that is not forgetting for want of training.
    assert "forgetting" not in names(found["titles"])


def test_without_measurements_and_without_baselines_it_says_so(tmp_path, small_run):
    unmeasured = told(small_run)
    assert unmeasured.fights == ()
    assert any("were not measured" in note for note in unmeasured.notes)
    alone = told(write_run(tmp_path, examples=8, steps=30, baselines=False))
    assert alone.verdict.startswith("No single-task models were scored")
    assert "`evaluate: {baselines: true}`" in alone.verdict
    assert alone.hurt == ()


def test_one_stage_alone(tmp_path):
    folder = write_run(tmp_path, examples=40, steps=120, gradients=FIGHT)
    found = told(folder, "together")
    assert [stage for stage, _ in found.fights] == ["together"]
    assert {hurt.known.stage for hurt in found.hurt} <= {"01-together"}
    with pytest.raises(RunFolderError, match=r"no stage 'lwa'; found together, law"):
        told(folder, "lwa")
