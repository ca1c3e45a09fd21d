"""Trackers (TensorBoard, W&B, trackio) as mirrors: a dead tracker never stops training."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from madrigal.errors import RecipeError
from madrigal.recipe.schema import Recipe
from madrigal.training.processes import Processes
from madrigal.training.record import Event, Observer, StepRecord, Watched


def _values(seen: Watched) -> dict[str, float]:
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
    accelerator = _start(recipe, folder, title)
    alive = True

    def observe(seen: Watched) -> None:
        nonlocal alive
        if not alive or not (values := _values(seen)):
            return
        try:
            accelerator.log(values, step=seen.step)
        except Exception as problem:  # whatever a tracker raises, training goes on
            alive = False
            warnings.warn(f"tracker stopped: {problem}; steps.jsonl goes on", stacklevel=2)

    yield observe
    try:
        accelerator.end_training()
    except Exception as problem:
        warnings.warn(f"tracker did not close: {problem}", stacklevel=2)


def _start(recipe: Recipe, folder: Path, title: str) -> Any:
    import importlib.util

    missing = [name for name in recipe.track if importlib.util.find_spec(name) is None]
    if missing:
        raise RecipeError(
            f"track: '{missing[0]}' is not installed; pip install 'madrigal[{missing[0]}]' "
            "or leave it out"
        )
    from accelerate import Accelerator

    accelerator = Accelerator(log_with=list(recipe.track), project_dir=folder / "tracking")
    accelerator.init_trackers(recipe.name, {"stage": title, "seed": recipe.seed})
    return accelerator
