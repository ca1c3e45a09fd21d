"""Trials, one process each, until all are over."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from madrigal.errors import RunFolderError, RunStopped, UserMistake
from madrigal.sweep.folder import SweepFolder
from madrigal.sweep.ledger import Ledger
from madrigal.sweep.plan import Plan
from madrigal.sweep.process import INTERRUPTED, Job, busy, mistakes_of, outcome, start
from madrigal.sweep.trial import Trial

_LOOK = 0.05  # seconds between looks at the processes
_HOPELESS = 3  # so many first trials that all failed end the sweep

Say = Callable[[str], None]


def work(plan: Plan, folder: SweepFolder, ledger: Ledger, workers: int, say: Say) -> None:
    """Run every trial that is not over yet.

    Raises:
        UserMistake: the recipe as it stands is refused, with its mistakes, or it was changed.
        RunStopped: the first trials all failed.
        KeyboardInterrupt: after every running trial has written its checkpoint.
    """
    jobs: dict[int, Job] = {}  # by slot
    _refuse_hopeless(ledger)
    with _terminated_like_interrupted():
        try:
            while _begin(plan, folder, ledger, workers, jobs, say):
                time.sleep(_LOOK)
                for slot in [slot for slot, job in jobs.items() if job.process.poll() is not None]:
                    _over(plan, folder, ledger, jobs.pop(slot), say)
        except BaseException:
            _end(jobs)
            raise


def _begin(
    plan: Plan, folder: SweepFolder, ledger: Ledger, workers: int, jobs: dict[int, Job], say: Say
) -> bool:
    """Fill the free slots; whether anything is running."""
    for slot in sorted(set(range(workers)) - set(jobs)):
        trial = ledger.next([job.trial.number for job in jobs.values()])
        if trial is None:
            break
        if plan.recipe.read_text(encoding="utf-8-sig") != plan.loaded.text:
            raise RunFolderError(f"{plan.recipe}: was changed while the sweep ran; change it back")
        if busy(folder.run(trial.number)):
            say(f"trial {trial.number} still runs, from before; waiting for it")
            while busy(folder.run(trial.number)):
                time.sleep(_LOOK)
        jobs[slot] = start(plan, trial, folder, slot, workers)
    return bool(jobs)


def _over(plan: Plan, folder: SweepFolder, ledger: Ledger, job: Job, say: Say) -> None:
    if job.process.returncode == INTERRUPTED:
        raise KeyboardInterrupt
    trial = outcome(job, folder, plan.aim)
    if trial.number == 0 and job.process.returncode == 2:
        raise UserMistake(mistakes_of(trial, folder))  # it stays planned: the data may come
    ledger.tell(trial)
    say(f"trial {trial.number} of {plan.trials}: {_words(plan, trial)}")
    _refuse_hopeless(ledger)


def _refuse_hopeless(ledger: Ledger) -> None:
    """A sweep whose first trials all failed would only waste time on the others."""
    done = [one for one in ledger.trials() if one.over]
    if len(done) >= _HOPELESS and all(one.state == "failed" for one in done):
        raise RunStopped(
            f"the first {len(done)} trials failed, the last with: {done[-1].why}; mend that, then "
            "go on with --retry-failed"
        )


def _words(plan: Plan, trial: Trial) -> str:
    if trial.state == "failed":
        return f"failed: {trial.why}"
    scores = trial.numbers()
    told = ", ".join(f"{name} {scores[name]:.4g}" for name in plan.aim.scores)
    broken = ", ".join(str(bound) for bound in plan.aim.broken(scores))
    return told + (f"; breaks {broken}" if broken else "")


def _end(jobs: dict[int, Job]) -> None:
    """Let every running trial write its checkpoint; a second Ctrl+C does not wait."""
    for job in jobs.values():
        _signal(job, signal.SIGINT)
    try:
        for job in jobs.values():
            job.process.wait()
    except KeyboardInterrupt:
        for job in jobs.values():
            _signal(job, signal.SIGKILL)
        raise


def _signal(job: Job, number: int) -> None:
    if job.process.poll() is None:
        os.killpg(job.process.pid, number)


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Inside, SIGTERM ends the sweep as Ctrl+C does; otherwise its processes would run on alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
