"""Short ways to write data files and load them as tasks, for tests."""

import json
from pathlib import Path

from madrigal.errors import DataError
from madrigal.recipe.schema import Recipe
from madrigal.recipe.task import TaskSettings
from madrigal.tasks.load import load_task, load_tasks
from madrigal.tasks.task import Task


def write_jsonl(path: Path, rows: list) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def loaded(data, root: Path, seed: int = 0, **settings) -> Task:
    """One task from what stands under `data`, and other keys of a task."""
    return load_task("t", TaskSettings.model_validate({"data": data, **settings}), root, seed)


def of_rows(rows: list, root: Path, **settings) -> Task:
    """One task with the rows as its test file: `splits["test"]` holds them in order."""
    write_jsonl(root / "test.jsonl", rows)
    return loaded({"test": "test.jsonl", **settings.pop("data", {})}, root, **settings)


def mistakes_of(root: Path, tasks: dict, stages: list | None = None) -> tuple[str, ...]:
    """What `load_tasks` has to say about a recipe with these tasks; empty if it is content."""
    recipe = Recipe.model_validate({"name": "r", "tasks": tasks, "stages": stages or []})
    try:
        load_tasks(recipe, root)
    except DataError as error:
        return error.mistakes
    return ()
