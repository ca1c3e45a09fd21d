"""Trackers (TensorBoard, W&B, trackio) as mirrors: a dead tracker never stops training."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from madrigal.recipe.schema import Recipe
from madrigal.training.processes import Processes
from madrigal.training.record import Event, Looked, Observer, Rollout, StepRecord, Watched


def _values(seen: Watched) -> dict[str, float]:
    if isinstance(seen, Rollout):
        return {f"answers/{name}/{seen.task}": x for name, x in seen.means.items()}
    if isinstance(seen, Looked):
        return {f"likeliest/{name}/{seen.task}": x for name, x in seen.means.items()}
    if isinstance(seen, Event):
        return {}
    if isinstance(seen, StepRecord):
        named = {"loss": seen.loss, "weight": seen.weight, "tokens": seen.tokens}
        values = {f"{kind}/{t}": float(x) for kind, per in named.items() for t, x in per.items()}
        values |= {"grad_norm": seen.grad_norm, "lr": seen.learning_rate}
        return values | {f"term/{name}": value for name, value in seen.terms.items()}
    return {f"validation/{task}": value for task, value in seen.scores.items()}


@contextmanager
def tracking(recipe: Recipe, folder: Path, title: str, processes: Processes) -> Iterator[Observer]:
    """An observer that mirrors records to the trackers of the recipe, through accelerate."""
    if not recipe.track or not processes.first:
        yield lambda _: None
        return
    mirror = _Mirror(recipe, folder, title)
    try:
        yield mirror.observe
    finally:
        mirror.move(_finish)


def _finish(accelerator: Any) -> None:
    # Not `end_training`, which would also take the group of processes apart.
    for tracker in accelerator.trackers:
        tracker.finish()


class _Mirror:
    """The trackers while they live; whatever they raise ends them and nothing else."""

    def __init__(self, recipe: Recipe, folder: Path, title: str) -> None:
        self._accelerator: Any = None
        self._alive = True
        self.move(lambda _: self._start(recipe, folder, title))

    def _start(self, recipe: Recipe, folder: Path, title: str) -> None:
        from accelerate import Accelerator

        self._accelerator = Accelerator(
            log_with=list(recipe.track), project_dir=folder / "tracking"
        )
        self._accelerator.init_trackers(recipe.name, {"stage": title, "seed": recipe.seed})

    def move(self, act: Callable[[Any], None]) -> None:
        """Do something with the accelerator that holds the trackers, if they live."""
        if not self._alive:
            return
        try:
            act(self._accelerator)
        except Exception as problem:
            self._alive = False
            reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
            warnings.warn(f"tracking stopped: {reason}; steps.jsonl goes on", stacklevel=3)

    def observe(self, seen: Watched) -> None:
        """An observer, see `madrigal.training.record`."""
        values = _values(seen)
        if values:
            self.move(lambda accelerator: accelerator.log(values, step=seen.step))
