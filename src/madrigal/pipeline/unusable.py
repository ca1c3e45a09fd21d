"""Judged answers that an objective cannot learn from: said, and refused where none is left."""

from collections.abc import Mapping
from dataclasses import replace

from madrigal.recipe.objective import (
    Align,
    Correction,
    Kto,
    Likelihood,
    ObjectiveSettings,
    RatingDifference,
    Reward,
)
from madrigal.recipe.policy import Acting
from madrigal.recipe.schema import Recipe
from madrigal.tasks.record import Record
from madrigal.tasks.task import Task
from madrigal.tasks.usable import THRESHOLD, Need, Usable, usable


def noted(recipe: Recipe, tasks: Mapping[str, Task]) -> tuple[dict[str, Task], list[str]]:
    """The tasks with a note on what each objective cannot use and why, and mistakes.

    A mistake is an objective that can use no training record at all.
    """
    found, mistakes = dict(tasks), []
    for number, stage in enumerate(recipe.stages):
        for name in stage.learn:
            settings = stage.objective.get(name)
            if tasks[name].kind != "feedback" or settings is None:
                continue
            # Learns the best answer, of one as of several; or needs the prompts alone.
            if isinstance(settings, Likelihood | Align | Acting):
                continue
            held = _usable(settings, tasks[name])
            notes = [f"{settings.kind} in stage {stage.name}: {one}" for one in held.reasons]
            notes += [f"{settings.kind}: {one}" for one in held.notes]
            if not held.kept:
                reasons = "; ".join(held.reasons)
                mistakes.append(
                    f"stages[{number}].objective.{name}: {settings.kind!r} can use no training "
                    f"record: {reasons}; choose an objective that these data fit"
                )
            found[name] = _with(found[name], notes)
    return {name: _with(task, _alone(task)) for name, task in found.items()}, mistakes


def _with(task: Task, notes: list[str]) -> Task:
    new = [note for note in notes if note not in task.notes]
    return replace(task, notes=(*task.notes, *new)) if new else task


def _usable(settings: ObjectiveSettings, task: Task) -> Usable:
    """By the need under which most of the records can be learnt from."""
    threshold = settings.threshold if isinstance(settings, Kto) else THRESHOLD
    records = task.splits["train"]
    each = [usable(records, need, task.trust, threshold) for need in needs(settings)]
    return max(each, key=lambda one: len(one.kept))


def needs(settings: ObjectiveSettings) -> tuple[Need, ...]:
    """What an objective asks of a record; of several, one is enough."""
    if isinstance(settings, Kto):
        return ("thumbs",)
    if isinstance(settings, RatingDifference):
        return ("rated_pairs",)
    if isinstance(settings, Correction):
        return ("corrections",)
    if isinstance(settings, Reward):
        compared: tuple[Need, ...] = ("pairs",) if settings.compare else ()
        return (*compared, "ratings") if settings.regress else compared
    return ("pairs",)


def _alone(task: Task) -> list[str]:
    """Of a task of judged answers: how many test records `agreement` says nothing about."""
    if task.kind != "feedback":
        return []
    records = task.splits["test"]
    alone = sum(_single(record) for record in records)
    if not alone:
        return []
    return [
        f"{alone:,} of {len(records):,} test records hold one answer, and agreement counts each as "
        "one half: it compares answers to the same prompt"
    ]


def _single(record: Record) -> bool:
    return record.feedback is not None and len(record.feedback.answers) == 1
