"""Scores of a task that learnt from answers of the model's own: what these were worth and how far
the model went, told as `own.TASK.NAME`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from madrigal.recipe.schema import Recipe
from madrigal.recipe.suggest import did_you_mean

OWN = "own."
# Of a rollout's means, and whether less is better.
NAMES = {"reward": False, "gold": False, "divergence": True, "tokens": False, "cut": True}
_LAST = 10  # rollouts
_SURE = 1.96


def smaller_is_better(name: str) -> bool:
    """Whether an own score is worse when it is larger."""
    return name.startswith(OWN) and NAMES.get(name.rpartition(".")[2], False)


def unknown_own(name: str, recipe: Recipe) -> str | None:
    """Why no run of the recipe has this own score; None where it has."""
    task, _, what = name.removeprefix(OWN).rpartition(".")
    found = {task: one for stage in recipe.stages for task, one in stage.acting().items()}
    if not found:
        return f"{name!r} is of tasks that learn from answers of the model's own, and here are none"
    known = [f"{OWN}{one}.{other}" for one in found for other in NAMES]
    if task not in found or what not in NAMES:
        return f"unknown score {name!r}{did_you_mean(name, known, 'there are')}"
    if what == "gold" and not found[task].gold:
        return f"{name!r} needs a gold reward: `gold` in the objective of {task!r}"
    return None


def own_score(name: str, run: Path) -> dict[str, float | int | None]:
    """Value, low and high of the mean over the last ten rollouts that the weights at the end of the
    task's last stage grew from: what was gone back behind does not count.

    Raises:
        LookupError: the run has no such rollouts; with the sentence.
    """
    task, _, what = name.removeprefix(OWN).rpartition(".")
    for stage in sorted((run / "stages").glob("*"), reverse=True):
        path = stage / "rollouts.jsonl"
        if path.exists():
            values = _values(path, stage / "done.json", task, what)
            if values:
                return _ends(values[-_LAST:])
    raise LookupError(f"its rollouts have no number for {name}")


def _values(path: Path, done: Path, task: str, what: str) -> list[float]:
    last = _read(done.read_text(encoding="utf-8"))["weights_of_step"] if done.exists() else 0
    found: dict[int, float] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        row = _read(line)
        if row["task"] != task:
            continue
        # Answers before step n + 1 are those of the weights after step n; a later line for an
        # earlier step was written after going back.
        found = {step: value for step, value in found.items() if step < row["step"]}
        value = row["means"].get(what)
        if value is not None and row["step"] <= last + 1:
            found[row["step"]] = value
    return list(found.values())


def _ends(values: Sequence[float]) -> dict[str, float | int | None]:
    mean = float(np.mean(values))
    if len(values) < 2:
        return {"value": mean, "low": None, "high": None}
    wide = _SURE * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return {"value": mean, "low": mean - wide, "high": mean + wide}


def _read(text: str) -> Any:
    return json.loads(text)
