"""What a step on one task does to the loss of every other, step by step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float, Int

from madrigal.evaluation.gradient_log import Line, read_gradients, standing
from madrigal.evaluation.task_gradients import falls

Measure = Literal["first_order", "look_ahead"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
TO = ">"  # `a>b` in a log: of a to b


@dataclass(frozen=True, slots=True)
class StepAffinity:
    """Z_ij(t): the relative fall of task j's loss by a step on task i alone, T steps, K tasks.

    NaN where it was not measured. `metric` is that of the gradients' inner product and of the step:
    plain ("raw"), AdamW's ("adam") or of updates ("update"). `steps` are the measured ones, where
    their distances differ.
    """

    tasks: tuple[str, ...]
    measure: Measure
    metric: str
    values: Float[np.ndarray, "T K K"]
    steps: Int[np.ndarray, " T"] | None = None

    def of(self, tasks: Sequence[str]) -> "StepAffinity":
        """The same in another order of the tasks."""
        places = [self.tasks.index(task) for task in tasks]
        values = self.values[:, places][:, :, places]
        return replace(self, tasks=tuple(tasks), values=values)


def read_affinity(lines: Sequence[Line], measure: Measure) -> StepAffinity | None:
    """The affinities of the later half of a stage's measured steps; None where there are none.

    In the first steps all tasks learn what an answer looks like. Their gradients are long and agree
    then, and would hide what comes after. Each value is weighted by how many steps it stands for.
    """
    found = first_order(lines) if measure == "first_order" else look_ahead(lines)
    if found is None:
        return None
    later = slice(len(found.values) // 2, None)
    values, steps = found.values[later], found.steps
    if steps is not None:
        values, steps = standing(steps[later])[:, None, None] * values, None
    return replace(found, values=values, steps=steps)


def first_order(lines: Sequence[Line]) -> StepAffinity | None:
    """Z_ij = lr g_i . D g_j / L_j of the measured steps: see `task_gradients.falls`."""
    log = read_gradients(lines)
    if log is None:
        return None
    values = falls(log)
    values[:, np.arange(len(log.tasks)), np.arange(len(log.tasks))] = np.nan
    known = np.isfinite(values).any(axis=(1, 2))
    if not known.any():
        return None
    return StepAffinity(log.tasks, "first_order", log.metric, values[known], log.steps[known])


def look_ahead(lines: Sequence[Line]) -> StepAffinity | None:
    """Z_ij = 1 - L_j(after a step on i) / L_j(before), as tried: see `training.look_ahead`."""
    told = [found for line in lines if (found := _looked(line))]
    log = read_gradients(lines)
    names = dict.fromkeys(task for found in told for name in found for task in name.split(TO))
    if not told:
        return None
    tasks = log.tasks if log is not None and {*names} <= {*log.tasks} else tuple(names)
    values = np.full((len(told), len(tasks), len(tasks)), np.nan)
    for row, found in zip(values, told, strict=True):
        for name, value in found.items():
            giver, _, receiver = name.partition(TO)
            row[tasks.index(giver), tasks.index(receiver)] = value
    return StepAffinity(tasks, "look_ahead", log.metric if log else "raw", values)


def _looked(line: Line) -> Mapping[str, float]:
    found: Any = line.get("look_ahead")
    if "skipped" in line or not isinstance(found, dict):
        return {}
    return {
        name: float(value)
        for name, value in found.items()
        if name.count(TO) == 1 and isinstance(value, int | float) and abs(value) < np.inf
    }
