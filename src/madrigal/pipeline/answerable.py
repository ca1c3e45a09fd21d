"""Rewards and servers that a recipe asks for: what can be said against them before a run."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from madrigal.errors import UserMistake
from madrigal.experience.verify import found_function, pattern
from madrigal.pipeline.filters import filter_of
from madrigal.pipeline.judging import judge_of
from madrigal.pipeline.serving import unserved
from madrigal.pipeline.trained import find_trained
from madrigal.recipe import reward
from madrigal.recipe.schema import Recipe
from madrigal.tasks.task import Task


def unrewarded(recipe: Recipe, tasks: Mapping[str, Task], root: Path) -> Iterator[str]:
    """Rewards that cannot be had."""
    for number, stage in enumerate(recipe.stages):
        for name, settings in stage.acting().items():
            task, where = tasks[name], f"stages[{number}].objective.{name}"
            if task.kind == "text":
                continue
            answered = any(record.answers for record in task.splits["train"])
            for key, rewards in (("reward", settings.reward), ("gold", settings.gold)):
                for problem in _unrewarded(rewards, answered, root):
                    yield f"{where}.{key}: {problem}"
            if settings.server is not None:
                yield from unserved(settings.server, f"{where}.server", root)


def _unrewarded(settings: reward.Rewards, answered: bool, root: Path) -> Iterator[str]:
    for one in settings:
        if isinstance(one, reward.Exact | reward.Number) and not answered:
            yield f"{one.kind!r} compares with accepted answers, and the data have none"
        try:
            if isinstance(one, reward.RewardFunction):
                found_function(one.name, root)
            elif isinstance(one, reward.Pattern):
                pattern(one.pattern)
            elif isinstance(one, reward.RewardModel):
                find_trained(root / one.run, one.stage, one.task)
            elif isinstance(one, reward.RewardJudge):
                judge_of(root / one.file)
            elif isinstance(one, reward.RewardFilter):
                filter_of(one.file, root)
        except UserMistake as problem:
            yield from problem.mistakes
