"""Which examples scores are of: those held out for test, or those for validation."""

from collections.abc import Mapping
from dataclasses import replace

from madrigal.recipe.schema import Recipe
from madrigal.tasks.task import Task


def scored_on(recipe: Recipe, tasks: Mapping[str, Task]) -> tuple[dict[str, Task], list[str]]:
    """The tasks with the examples that the recipe's scores are of in the place of test examples,
    and what stands against it."""
    if recipe.evaluate.split == "test":
        return dict(tasks), []
    mistakes = [
        f"evaluate.split: task {name!r} has no validation examples to score; raise "
        f"tasks.{name}.data.split.validation, or name a validation file"
        for name in recipe.watched()
        if not tasks[name].splits["validation"]
    ]
    return {name: _by_validation(task) for name, task in tasks.items()}, mistakes


def _by_validation(task: Task) -> Task:
    return replace(task, splits={**task.splits, "test": task.splits["validation"]})
