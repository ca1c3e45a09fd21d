"""A trial's process: `madrigal run`, apart from all others, so that nothing of it stays behind."""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from madrigal.errors import RunFolderError
from madrigal.sweep.aim import Aim, found_scores
from madrigal.sweep.folder import SweepFolder
from madrigal.sweep.knob import overrides
from madrigal.sweep.plan import Plan
from madrigal.sweep.trial import Trial

INTERRUPTED = 130
COMMAND = (sys.executable, "-m", "madrigal")
_LONGEST = 400  # characters of a sentence that a process left


@dataclass(frozen=True, slots=True)
class Job:
    """A trial that is running."""

    trial: Trial
    process: subprocess.Popen[bytes]
    began: float


def arguments(plan: Plan, trial: Trial, run: Path) -> list[str]:
    """What stands behind `madrigal`. Trial 0 has no values of its own."""
    own = overrides(trial.values) if trial.number else []
    sets = [word for one in (*plan.given, *own) for word in ("--set", one)]
    again = ["--resume"] if (run / "recipe.yaml").exists() else []
    return ["run", str(plan.recipe), *sets, "--out", str(run), *again]


def environment(slot: int, workers: int, given: Mapping[str, str], cores: int) -> dict[str, str]:
    """Of several workers each has its share of the cores, and one of the devices that are named."""
    found = dict(given)
    if workers > 1:
        found.setdefault("OMP_NUM_THREADS", str(max(1, cores // workers)))
        devices = [one for one in given.get("CUDA_VISIBLE_DEVICES", "").split(",") if one]
        if len(devices) > 1:
            found["CUDA_VISIBLE_DEVICES"] = devices[slot % len(devices)]
    return found


def start(plan: Plan, trial: Trial, folder: SweepFolder, slot: int, workers: int) -> Job:
    """Begin a trial, or go on with it. What it says is in output.txt and errors.txt."""
    place = folder.trial(trial.number)
    place.mkdir(parents=True, exist_ok=True)
    with (place / "output.txt").open("ab") as told, (place / "errors.txt").open("wb") as errors:
        process = subprocess.Popen(
            [*COMMAND, *arguments(plan, trial, folder.run(trial.number))],
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=errors,
            env=environment(slot, workers, os.environ, os.cpu_count() or 1),
            start_new_session=True,  # Ctrl+C is passed on, so that it comes once
        )
    return Job(trial, process, time.monotonic())


def busy(run: Path) -> bool:
    """Whether a process of a sweep that was killed still writes to a run folder."""
    try:
        with (run / ".lock").open("r") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def outcome(job: Job, folder: SweepFolder, aim: Aim) -> Trial:
    """What became of a trial whose process has ended."""
    trial, code = job.trial, job.process.returncode
    spent = replace(trial, seconds=trial.seconds + time.monotonic() - job.began)
    spent = replace(spent, run=spent.run or str(folder.run(trial.number)))
    if code == 0:
        return scored(spent, folder, aim)
    lines = _errors(folder, trial)
    last = lines[-1] if lines else "it said nothing"
    if code in (2, 3):
        return replace(spent, state="failed", why=last)
    if code < 0:
        last = f"ended by signal {-code}{' (out of memory?)' if code == -9 else ''}"
        return replace(spent, state="failed", why=last)
    return replace(spent, state="failed", why=f"exit code {code}: {last}")


def scored(trial: Trial, folder: SweepFolder, aim: Aim) -> Trial:
    """A trial that ran to its end, with the scores that the aim looks at."""
    run = folder.run(trial.number)
    try:
        body = json.loads((run / "scores.json").read_text(encoding="utf-8"))
        scores = found_scores(aim, body, run)
    except (OSError, ValueError):
        return replace(trial, state="failed", why="it left no scores.json that can be read")
    except LookupError as error:
        return replace(trial, state="failed", why=str(error.args[0]))
    return replace(trial, state="finished", scores=scores)


def mistakes_of(trial: Trial, folder: SweepFolder) -> list[str]:
    """All lines that a trial left as its mistakes."""
    return _errors(folder, trial) or [trial.why]


def _errors(folder: SweepFolder, trial: Trial) -> list[str]:
    path = folder.trial(trial.number) / "errors.txt"
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be read: {error.strerror or error}") from error
    return [line.strip()[:_LONGEST] for line in text.splitlines() if line.strip()]
