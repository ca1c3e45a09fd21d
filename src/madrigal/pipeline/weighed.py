"""Annotators of a task's judged answers, weighed as its recipe asks."""

from collections.abc import Mapping
from dataclasses import replace

from madrigal.errors import DataError
from madrigal.feedback.trust import trust
from madrigal.tasks.task import Task


def weighed(tasks: Mapping[str, Task]) -> tuple[dict[str, Task], list[str]]:
    """The tasks with the trust that `feedback.aggregate` puts in each annotator, and mistakes.

    Annotators are weighed by the training records alone; one who judged none of them counts 1.
    """
    found: dict[str, Task] = {}
    mistakes: list[str] = []
    for name, task in tasks.items():
        found[name] = task
        if task.aggregate != "mean":
            try:
                weights = trust(task.splits["train"], task.aggregate)
            except DataError as error:
                mistakes += [f"tasks.{name}.feedback.aggregate: {one}" for one in error.mistakes]
                continue
            notes = (*task.notes, _note(task.aggregate, weights))
            found[name] = replace(task, trust=weights, notes=notes)
    return found, mistakes


def _note(how: str, weights: Mapping[str, float]) -> str:
    least, most = (pick(weights, key=weights.__getitem__) for pick in (min, max))
    return (
        f"{len(weights)} annotators are weighed by {how}: from {weights[least]:.2f} ({least}) to "
        f"{weights[most]:.2f} ({most})"
    )
