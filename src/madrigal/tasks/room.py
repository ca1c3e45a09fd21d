"""Room in the context for answers of a model's own."""

from collections.abc import Mapping

from madrigal.errors import DataError
from madrigal.recipe.schema import Recipe
from madrigal.tasks.bad import CUT, BadRows
from madrigal.tasks.encode import Coder
from madrigal.tasks.fit import without
from madrigal.tasks.record import Record
from madrigal.tasks.task import Task


def limit(task: Task, record: Record, coder: Coder) -> int:
    """Most tokens of an answer to a record's prompt, its end among them."""
    if not record.choices:
        return task.max_new_tokens
    return 1 + max(len(coder.answer(record, text)) for text in record.choices)


def bare(record: Record) -> Record:
    """A record's prompt alone: the answers that stand in the data need not fit."""
    return Record(
        record.where, turns=record.turns, droppable=record.droppable, cuttable=record.cuttable
    )


def has_room(task: Task, record: Record, coder: Coder) -> bool:
    """Whether a record's prompt leaves room in the context for an answer of any length allowed."""
    return coder.prompt_length(bare(record)) + limit(task, record, coder) <= coder.context


def with_room(
    recipe: Recipe, tasks: Mapping[str, Task], coder: Coder
) -> tuple[dict[str, Task], list[str]]:
    """The tasks without training prompts that leave no room for an answer of the model's own, where
    bad rows may be dropped; and mistakes."""
    found, mistakes = dict(tasks), []
    for name in dict.fromkeys(name for stage in recipe.stages for name in stage.acting()):
        task = tasks[name]
        bad = BadRows(drop=recipe.tasks[name].data.on_bad == "drop")
        kept = tuple(record for record in task.splits["train"] if _roomy(task, record, coder, bad))
        none = (
            f"tasks.{name}.data: no prompt leaves room for an answer; shorten prompts, lower "
            "max_new_tokens, or raise `model.context`"
        )
        try:
            bad.settle(len(kept), none)
        except DataError as problem:
            mistakes += problem.mistakes
            continue
        if bad.count:
            found[name] = without(task, {"train": kept}, bad)
    return found, mistakes


def _roomy(task: Task, record: Record, coder: Coder, bad: BadRows) -> bool:
    if not record.turns:  # a text answers nothing, which is told elsewhere
        return True
    if has_room(task, record, coder):
        return True
    most, found = limit(task, record, coder), coder.prompt_length(bare(record))
    text = (
        f"{record.where}: the prompt has {found} tokens and an answer may have {most}; with a "
        f"context of {coder.context} they do not fit{CUT}"
    )
    bad.add(record.where, task.name, DataError(text))
    return False
