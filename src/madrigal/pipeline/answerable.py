"""Prompts that the model is to answer itself: what can be said against them before a run."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from madrigal.errors import UserMistake
from madrigal.experience.verify import found_function
from madrigal.pipeline.filters import filter_of
from madrigal.pipeline.judging import judge_of
from madrigal.pipeline.trained import find_trained
from madrigal.recipe import reward
from madrigal.recipe.schema import Recipe
from madrigal.tasks.encode import Coder
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


def unanswerable(
    recipe: Recipe, tasks: Mapping[str, Task], coder: Coder, root: Path
) -> Iterator[str]:
    """Prompts that leave no room for an answer, and rewards that cannot be had."""
    for number, stage in enumerate(recipe.stages):
        for name, settings in stage.acting().items():
            task, where = tasks[name], f"stages[{number}].objective.{name}"
            if task.kind == "text":
                continue
            yield from _too_long(task, coder)
            answered = any(record.answers for record in task.splits["train"])
            for key, rewards in (("reward", settings.reward), ("gold", settings.gold)):
                for problem in _unrewarded(rewards, answered, root):
                    yield f"{where}.{key}: {problem}"


def _too_long(task: Task, coder: Coder) -> Iterator[str]:
    for record in task.splits["train"]:
        most = limit(task, record, coder)
        found = coder.prompt_length(bare(record))
        if found + most > coder.context:
            yield (
                f"{record.where}: the prompt has {found} tokens and an answer may have {most}; "
                f"with a context of {coder.context} they do not fit: shorten it, or lower "
                "max_new_tokens"
            )


def _unrewarded(settings: reward.Rewards, answered: bool, root: Path) -> Iterator[str]:
    for one in settings:
        if isinstance(one, reward.Exact | reward.Number) and not answered:
            yield f"{one.kind!r} compares with accepted answers, and the data have none"
        try:
            if isinstance(one, reward.RewardFunction):
                found_function(one.name, root)
            elif isinstance(one, reward.RewardModel):
                find_trained(root / one.run, one.stage, one.task)
            elif isinstance(one, reward.RewardJudge):
                judge_of(root / one.file)
            elif isinstance(one, reward.RewardFilter):
                filter_of(one.file, root)
        except UserMistake as problem:
            yield from problem.mistakes
