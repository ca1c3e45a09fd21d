"""Single-task baselines that ride along: every task's own model, all in the same passes.

Each task has private parameters and there are no shared ones, so that one pass over mixed rows is
as many runs of one task as there are tasks. What a run of one task would do with its gradient
(scale, clip, skip, step) is done with each task's part of it.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.balancing.base import StepView
from madrigal.model.private import PrivateParts
from madrigal.tasks.encoded import Example
from madrigal.training.checkpoint import (
    newest_checkpoint,
    prune,
    restore,
    save_checkpoint,
    snapshot,
)
from madrigal.training.files import flush
from madrigal.training.interrupt import finish_step_on_interrupt
from madrigal.training.lockstep import by_first
from madrigal.training.loop import BAD_STEPS_BEFORE_ROLLBACK, CHECKPOINTS_KEPT
from madrigal.training.optimiser import build_optimiser, learning_rate
from madrigal.training.record import Event, Observer, StepRecord, Validation
from madrigal.training.stage_run import StageRun
from madrigal.training.step import Gradient, compute_gradient, record_of


@dataclass(frozen=True, slots=True)
class Alone:
    """Every task counts as it does in a run of its own: by the recipe's weight, w_k = a_k."""

    @property
    def needs(self) -> Literal["nothing", "losses", "gramian"]:
        return "nothing"

    def weights(self, view: StepView) -> Float[Tensor, " K"]:
        return view.task_weights

    def update(self, view: StepView) -> None:
        """Nothing is remembered."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing is remembered."""


@dataclass
class Ride:
    """How far the tasks have come: the state that a checkpoint keeps beside tensors."""

    step: int = 0
    bad_steps: dict[str, int] = field(default_factory=dict)  # non-finite in a row
    left: list[str] = field(default_factory=list)  # tasks that need a run of their own


class _Rider:
    def __init__(
        self, run: StageRun, observers: Mapping[str, Observer], journals: Sequence[Path]
    ) -> None:
        assert run.parts.model.private is not None
        self.run, self.observers, self.journals = run, observers, journals
        self.private: PrivateParts = run.parts.model.private
        self.optimiser = build_optimiser(run.settings.optimiser, run.parts.model)
        self.ride = Ride()
        found = newest_checkpoint(run.checkpoints)
        if found is not None:
            restore(run.parts.model, self.optimiser, found)
            self.ride = Ride(**found.state)

    def save(self) -> None:
        """Keep things as they are now; only one process writes."""
        run, ride = self.run, self.ride
        if run.parts.processes.first:
            # A power cut must not take lines of steps that the checkpoint says are done.
            for told in self.journals:
                if told.exists():
                    flush(told)
            kept = snapshot(run.parts.model, self.optimiser, ride.step, _plain(ride))
            save_checkpoint(run.checkpoints, kept)
            prune(run.checkpoints, CHECKPOINTS_KEPT, set())
        run.parts.processes.wait()

    def step(self) -> StepRecord | None:
        """One step of every task that has examples now; None where none has."""
        began = time.perf_counter()
        number = self.ride.step
        rate = learning_rate(self.run.settings.optimiser, number, self.run.source.steps)
        drawn: list[tuple[str, Example]] = [
            (draw.task, self.run.examples[draw.task][draw.index])
            for draw in self.run.source.draws(number)
            if draw.task in self.observers and draw.task not in self.ride.left
        ]
        self.ride.step += 1
        if not drawn:
            return None
        gradient = compute_gradient(self.run.parts, number, drawn)
        norms = {task: self._clip(task) for task in gradient.loss}
        bad = {t for t, norm in norms.items() if not math.isfinite(norm + gradient.loss[t])}
        for parameter in (p for task in bad for p in self.private.of(task)):
            parameter.grad = None  # its optimiser takes no step
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        seconds = time.perf_counter() - began
        whole = _record(self.ride.step, gradient, norms, rate, seconds, bad)
        for task in gradient.loss:
            self.observers[task](_of_task(whole, task, norms[task], task in bad))
            self._note(task, task in bad)
        return whole

    def _clip(self, task: str) -> float:
        limit = self.run.settings.optimiser.clip
        held = list(self.private.of(task))
        return float(torch.nn.utils.clip_grad_norm_(held, limit if limit > 0 else math.inf))

    def _note(self, task: str, bad: bool) -> None:
        ride = self.ride
        ride.bad_steps[task] = ride.bad_steps.get(task, 0) + 1 if bad else 0
        if bad:
            text = f"Step {ride.step} skipped: non-finite {task}."
            self.observers[task](Event(ride.step, "skipped", text))
        if ride.bad_steps[task] >= BAD_STEPS_BEFORE_ROLLBACK:
            ride.left.append(task)  # going back and giving up are for a run of its own

    def validate(self) -> None:
        """Validation scores of every task, for its own journal."""
        validate, processes = self.run.validate, self.run.parts.processes
        assert validate is not None
        found = by_first(processes, self.run.parts.model, validate)
        scores = processes.from_first(dict(found or {}))
        for task, score in scores.items():
            if task not in self.ride.left:
                seen = Validation(self.ride.step, {task: score}, score, False)
                self.observers[task](seen)


def ride_along(
    run: StageRun,
    observers: Mapping[str, Observer],
    observe: Observer,
    journals: Sequence[Path] = (),
) -> tuple[str, ...]:
    """Train all tasks of a stage, each alone, in the same passes; from the newest checkpoint.

    The weights are those of runs of one task each over the same schedule, to rounding.
    `observers` see what a task's own run would tell, `observe` sees whole steps; `journals` are
    files that they write, which reach the disk before a checkpoint does. Returns the tasks that
    met too many non-finite steps and need a run of their own.

    Raises:
        KeyboardInterrupt: after Ctrl+C, once a checkpoint is written.
    """
    run.checkpoints.mkdir(parents=True, exist_ok=True)
    rider = _Rider(run, observers, journals)
    ride, steps, network = rider.ride, run.source.steps, run.parts.model.network
    network.train()
    with finish_step_on_interrupt() as interrupt:
        while ride.step < steps:
            whole = rider.step()
            if whole is not None:
                observe(whole)
            if run.validate and run.validate_every and ride.step % run.validate_every == 0:
                rider.validate()
                network.train()
            interrupted = run.parts.processes.any_(interrupt.pressed, run.parts.model.device)
            due = ride.step % run.settings.checkpoint_every == 0
            if due or interrupted or ride.step == steps:
                rider.save()
            if interrupted:
                raise KeyboardInterrupt
    network.eval()
    return tuple(ride.left)


def _plain(ride: Ride) -> dict[str, Any]:
    return {"step": ride.step, "bad_steps": dict(ride.bad_steps), "left": list(ride.left)}


def _record(
    step: int,
    gradient: Gradient,
    norms: Mapping[str, float],
    rate: float,
    seconds: float,
    bad: set[str],
) -> StepRecord:
    norm = math.sqrt(sum(norm**2 for norm in norms.values()))
    told = record_of(step, gradient, norm, rate, seconds, finite=not bad)
    return replace(told, skipped=f"non-finite: {', '.join(sorted(bad))}") if bad else told


def _of_task(whole: StepRecord, task: str, norm: float, bad: bool) -> StepRecord:
    """The part of a step that is one task's; time and padding go by its tokens."""
    share = whole.tokens[task] / sum(whole.tokens.values())
    return replace(
        whole,
        loss={task: whole.loss[task]},
        weight={task: whole.weight[task]},
        tokens={task: whole.tokens[task]},
        rows={task: whole.rows[task]},
        grad_norm=norm,
        seconds=whole.seconds * share,
        padded_tokens=round(whole.padded_tokens * share),
        terms={},
        skipped="non-finite loss or gradient" if bad else "",
    )
