"""Annotators of a task's judged answers, weighed as its recipe asks."""

from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean

from madrigal.errors import DataError
from madrigal.feedback.trust import trust
from madrigal.tasks.task import Task


def weighed(tasks: Mapping[str, Task]) -> tuple[dict[str, Task], list[str]]:
    """The tasks with the trust that `feedback.aggregate` puts in each annotator, and mistakes.

    Annotators are weighed by the training records alone; one who judged none of them counts as
    much as those who did on average.
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
            held_out = _strangers(task, weights)
            notes = [*task.notes, _note(task.aggregate, weights)]
            notes += [_unweighed(held_out)] if held_out else []
            found[name] = replace(task, trust={**weights, **held_out}, notes=tuple(notes))
    return found, mistakes


def _strangers(task: Task, weights: Mapping[str, float]) -> dict[str, float]:
    """Annotators of held-out records alone, each with the mean weight of the others."""
    said = (r.feedback for split in ("validation", "test") for r in task.splits[split])
    names = {one.annotator for known in said if known is not None for one in known.judgements}
    return dict.fromkeys(sorted(names - weights.keys() - {""}), fmean(weights.values()))


def _unweighed(held_out: Mapping[str, float]) -> str:
    each = next(iter(held_out.values()))
    return f"{len(held_out)} judged held-out records only and count {each:.2f}, as the mean of them"


def _note(how: str, weights: Mapping[str, float]) -> str:
    least, most = (pick(weights, key=weights.__getitem__) for pick in (min, max))
    return (
        f"{len(weights)} annotators are weighed by {how}: from {weights[least]:.2f} ({least}) to "
        f"{weights[most]:.2f} ({most})"
    )
