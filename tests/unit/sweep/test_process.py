"""What a trial's process is given, and what is made of its end."""

import json
import subprocess
import sys

import pytest

from madrigal.sweep.aim import Aim
from madrigal.sweep.folder import SweepFolder
from madrigal.sweep.process import Job, busy, environment, outcome
from madrigal.sweep.trial import Trial, read_trial


def test_several_workers_share_cores_and_devices():
    given = {"CUDA_VISIBLE_DEVICES": "4,7"}
    assert [environment(s, 3, given, 8)["CUDA_VISIBLE_DEVICES"] for s in range(3)] == [
        "4",
        "7",
        "4",
    ]
    assert environment(0, 3, {}, 8) == {"OMP_NUM_THREADS": "2"}
    assert environment(0, 16, {}, 8) == {"OMP_NUM_THREADS": "1"}
    assert environment(0, 1, {"A": "b"}, 8) == {"A": "b"}
    assert environment(0, 2, {"OMP_NUM_THREADS": "5"}, 8) == {"OMP_NUM_THREADS": "5"}


def ended(code, tmp_path, said=""):
    """What becomes of trial 3 when its process ends so."""
    folder = SweepFolder(tmp_path)
    folder.trial(3).mkdir(parents=True, exist_ok=True)
    (folder.trial(3) / "errors.txt").write_text(said)
    how = (
        f"import os, sys; sys.exit({code})"
        if code >= 0
        else f"import os; os.kill(os.getpid(), {-code})"
    )
    process = subprocess.Popen([sys.executable, "-c", how])
    process.wait()
    return outcome(Job(Trial(3, {"a": 1}), process, 0.0), folder, Aim())


@pytest.mark.parametrize(
    ("code", "said", "why"),
    [
        (3, "warning\nstopped: loss is not finite\n", "stopped: loss is not finite"),
        (2, "recipe.yaml:3: seed: no\n", "recipe.yaml:3: seed: no"),
        (1, "Traceback\nKeyError: 'x'\n", "exit code 1: KeyError: 'x'"),
        (-9, "", "ended by signal 9 (out of memory?)"),
        (0, "", "it left no scores.json that can be read"),
    ],
)
def test_a_failed_trial_says_why(code, said, why, tmp_path):
    found = ended(code, tmp_path, said)
    assert found.state == "failed"
    assert found.why == why


def test_a_trial_that_ran_to_its_end_has_its_scores(tmp_path):
    run = SweepFolder(tmp_path).run(3)
    run.mkdir(parents=True)
    (run / "scores.json").write_text(json.dumps({"summary": {"average": {"value": 0.5}}}))
    assert ended(0, tmp_path).scores == {"average": {"value": 0.5, "low": None, "high": None}}
    (run / "scores.json").write_text(json.dumps({"summary": {"average": None}}))
    assert ended(0, tmp_path).why == "its scores.json has no number for average"


def test_a_folder_that_a_process_writes_to_is_busy(tmp_path):
    from madrigal.pipeline.folder import locked

    assert not busy(tmp_path)
    with locked(tmp_path):
        assert busy(tmp_path)
    assert not busy(tmp_path)


def test_a_damaged_trial_is_told(tmp_path):
    (tmp_path / "trial.json").write_text("{")
    with pytest.raises(ValueError, match=r"trial.json: is damaged; remove .* is run anew"):
        read_trial(tmp_path / "trial.json")
