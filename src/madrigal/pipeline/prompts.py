"""Prompts and helpful answers from data in any of the formats."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from madrigal.errors import DataError
from madrigal.experience.refusal import fine_prompts
from madrigal.experience.revising import Prompt
from madrigal.mixture.chance import permutation
from madrigal.recipe.revision import HelpfulSettings, PromptSettings
from madrigal.recipe.task import DataSettings, TaskSettings
from madrigal.tasks.formats.asked import asked, prompted
from madrigal.tasks.formats.base import scalars
from madrigal.tasks.formats.detect import choose_format, format_of
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.row import Row
from madrigal.tasks.sources import read_sources, with_bundled_settings
from madrigal.tasks.template import UnknownFieldError, fill
from madrigal.tasks.understand import understand

Found = TypeVar("Found")


def prompts_of(settings: PromptSettings, root: Path, place: str, seed: int) -> list[Prompt]:
    """The prompts of some data, each once, at most `max` of them.

    Rows that are prompts and nothing else do, too; so do those for which `prompt` is a template.

    Raises:
        DataError: the data cannot be read, or holds no prompts.
    """
    rows = _rows(settings.data, root, place)
    alone = settings.data.format == "auto" and format_of(rows[0]) is None
    if alone and (settings.prompt is not None or prompted(rows[0])):
        found = [Prompt(_turns(row, settings.prompt), settings.benign, row.where) for row in rows]
    else:
        records = _records(TaskSettings(data=settings.data, prompt=settings.prompt), root, place)
        found = [Prompt(_untold(one.turns), settings.benign, one.where) for one in records]
    if not found or not all(one.turns and one.turns[-1].role == "user" for one in found):
        raise DataError(f"{place}: holds no prompts; give rows with a `prompt`, or a template")
    once = list({one.key: one for one in found}.values())
    if settings.max is None or settings.max >= len(once):
        return once
    chosen = permutation(len(once), "prompts", seed, place)[: settings.max]
    return [once[n] for n in sorted(map(int, chosen))]


def fine() -> list[Prompt]:
    """The bundled prompts that should not be refused."""
    return [Prompt((Turn("user", one.prompt),), True, f"fine {one.kind}") for one in fine_prompts()]


def helpful_of(settings: HelpfulSettings, root: Path, place: str) -> list[Record]:
    """Examples with an answer."""
    task = TaskSettings(data=settings.data, prompt=settings.prompt, answer=settings.answer)
    records = _records(task, root, place)
    if not all(one.answers and one.turns for one in records):
        raise DataError(f"{place}: holds no answers to learn from; name data with answers")
    return records


def _rows(data: DataSettings, root: Path, place: str) -> Sequence[Row]:
    sources = _located(place, lambda: read_sources("data", data, root))
    return sources.rows.get("train") or [row for some in sources.rows.values() for row in some]


def _records(settings: TaskSettings, root: Path, place: str) -> list[Record]:
    """Of the training split where there is one."""

    def read() -> list[Record]:
        whole = with_bundled_settings("data", settings)
        sources = read_sources("data", whole.data, root)
        rows = [row for some in sources.rows.values() for row in some]
        read = understand("data", whole, choose_format("data", rows, whole), sources.rows)
        every = [record for some in read.records.values() for record in some]
        return list(read.records.get("train") or every)

    return _located(place, read)


def _located(place: str, read: Callable[[], Found]) -> Found:
    """Mistakes as at their place in the file, which knows of no task."""
    try:
        return read()
    except DataError as error:
        told = (one.removeprefix("tasks.data.") for one in error.mistakes)
        raise DataError(f"{place}: {one}" for one in told) from error


def _turns(row: Row, template: str | None) -> tuple[Turn, ...]:
    if template is None:
        return asked(row)[0]
    try:
        return (Turn("user", fill(template, scalars(row.values))),)
    except UnknownFieldError as error:
        raise DataError(f"{row.where}: {error.args[0]}") from error


def _untold(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """The turns as they were said: which of them are trained says nothing here."""
    return tuple(Turn(turn.role, turn.text) for turn in turns)
