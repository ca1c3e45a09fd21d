"""`madrigal feedback inspect FILE...`: how far feedback can be trusted."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from rich.console import Console

from madrigal.cli.feedback_view import view
from madrigal.errors import DataError, RecipeError, UserMistake
from madrigal.feedback.annotators import need_annotators
from madrigal.feedback.findings import QUESTIONS, Question
from madrigal.feedback.inspect import inspect as look_at
from madrigal.feedback.sentences import sentences
from madrigal.recipe.load import loaded
from madrigal.recipe.schema import Recipe
from madrigal.recipe.suggest import did_you_mean
from madrigal.recipe.task import TaskSettings
from madrigal.tasks.record import Record

# Questions that only votes with names can answer.
_NAMED: tuple[Question, ...] = ("annotators", "self_disagreement")


_TASK = "feedback"


@dataclass(frozen=True, slots=True)
class Wish:
    """The command line. Without `measures` everything that can be measured is.

    Each of `settings` is a key of the task and its value: `feedback.scale=[1, 5]`.
    """

    files: tuple[str, ...]
    format: str = "auto"
    measures: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    json: Path | None = None


def inspect(wish: Wish) -> None:
    """Prints what was found, and writes it as JSON where that is asked for.

    Raises:
        UserMistake: an unknown measure, files that cannot be read or hold no feedback, or votes
            without annotator where one is asked about.
    """
    mistakes = [*_refused(wish)]
    if mistakes:
        raise UserMistake(mistakes)
    records, notes, bad = _records(wish)
    for name in wish.measures:
        if name in _NAMED:
            need_annotators(records, f"--measure {name}")
    questions = cast("tuple[Question, ...]", wish.measures or QUESTIONS)
    findings = look_at(records, questions)
    console = Console(highlight=False)
    console.print(view(findings, notes, console.width))
    if wish.json is not None:
        told = {"files": wish.files, "notes": notes, "bad_rows": bad}
        body = findings.as_json() | told | {"sentences": sentences(findings)}
        wish.json.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _refused(wish: Wish) -> Iterator[str]:
    for name in wish.measures:
        if name not in QUESTIONS:
            yield f"--measure {name}: unknown{did_you_mean(name, QUESTIONS, 'there are')}"
    if wish.json is not None and not wish.json.parent.is_dir():
        yield f"{wish.json}: there is no folder {str(wish.json.parent)!r}"


def _records(wish: Wish) -> tuple[list[Record], tuple[str, ...], tuple[str, ...]]:
    """The files as records, each row by itself so that equal rows can be compared; notes; and what
    was wrong with each row that was left out.

    Rows that cannot be read are left out and counted, unless the settings say otherwise: who looks
    at data wants to see all of it.
    """
    from madrigal.tasks.formats.detect import choose_format
    from madrigal.tasks.sources import read_sources
    from madrigal.tasks.understand import understand

    settings = _settings(wish)
    try:
        sources = read_sources(_TASK, settings.data, Path.cwd())
        rows = [row for some in sources.rows.values() for row in some]
        shape = choose_format(_TASK, rows, settings)
        read = understand(_TASK, settings, shape, sources.rows, join=False)
    except DataError as error:
        raise DataError(_without_task(error.mistakes)) from error
    if read.kind != "feedback":
        raise DataError(
            f"{', '.join(wish.files)}: read as {shape.name}, which holds nothing that people said "
            "about answers; if it does, name the format with --format"
        )
    records = [record for some in read.records.values() for record in some]
    return records, read.notes, read.dropped


def _settings(wish: Wish) -> TaskSettings:
    """The task that the files are read as."""
    data = {"train": wish.files, "on_bad": "drop"}
    recipe = Recipe.model_validate({"name": _TASK, "tasks": {_TASK: {"data": data}}, "stages": []})
    given = [*wish.settings, *([f"data.format={wish.format}"] if wish.format != "auto" else [])]
    try:
        found = loaded(recipe, Path.cwd(), [f"tasks.{_TASK}.{one}" for one in given])
    except RecipeError as error:
        raise RecipeError(_without_task(error.mistakes)) from error
    return found.recipe.tasks[_TASK]


def _without_task(mistakes: Iterable[str]) -> list[str]:
    """As the user would have written it, who knows of no recipe."""
    plain = (mistake.replace(f"tasks.{_TASK}.", "") for mistake in mistakes)
    return [mistake.replace("--set data.format=", "--format ") for mistake in plain]
