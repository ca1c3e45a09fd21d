"""The bundled tasks, each made once for all tests, and their prompts."""

from functools import cache

from madrigal.tasks.bundled import BUNDLED, BundledTask


@cache
def made(name: str) -> BundledTask:
    return BUNDLED[name]()


def prompt(task: BundledTask, row: dict) -> str:
    return task.settings["prompt"].format(**row)


def rows(name: str, *splits: str) -> list[dict]:
    return [row for split in splits for row in made(name).rows[split]]
