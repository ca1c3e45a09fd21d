"""What a record format is, and the words that every format needs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from madrigal.errors import DataError
from madrigal.recipe.task import FormatName, InstructionSettings
from madrigal.tasks.feedback import Feedback
from madrigal.tasks.record import Turn
from madrigal.tasks.row import Row
from madrigal.tasks.template import unknown_field


@dataclass(frozen=True, slots=True)
class Draft:
    """One example as its format understands it: before the user's templates and label words.

    A format with a free answer fills `answers`; one with choices of its own also `choices`. With
    `labelled`, the answer is one of a set that all rows share, gathered when all rows are read.
    Judged answers stand in `feedback` instead; with them, no turns and no `problem` mean texts that
    were judged without a prompt.
    `fields` are what templates may name: scalars of the row, and what the format adds to them.
    `problem` says why there is no default prompt: a mistake only where the user gives no template.
    `note` says what the format did that a reader should know; equal notes are counted.
    """

    where: str
    turns: tuple[Turn, ...] = ()
    answers: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    text: str = ""
    labelled: bool = False
    templated: bool = False  # the answers are made by the user's answer template already
    problem: str = ""
    note: str = ""
    droppable: tuple[str, ...] = ()  # as in `Record`
    cuttable: str = ""
    left_out: bool = False  # no example; only the note, which says why, is kept
    feedback: Feedback | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Format:
    """A record format: `shape` says its fields to a user, `drafts` raises DataError with where.

    `passages` are the fields that may hold a passage which several records are about.
    """

    name: FormatName
    shape: str
    matches: Callable[[Row], bool]
    drafts: Callable[[Row, InstructionSettings], Sequence[Draft]]
    passages: tuple[str, ...] = ()


def scalar(value: Any) -> str | None:
    """A scalar as text, the way JSON writes it; None for null, lists and objects."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        # Tables with holes turn whole numbers into floats; nan is how they write a hole.
        return None if value != value else str(int(value)) if value.is_integer() else str(value)
    # Dates and decimals of Parquet files.
    return None if value is None or isinstance(value, list | dict | bytes) else str(value)


def scalars(values: Mapping[str, Any]) -> dict[str, str]:
    """Every scalar of a row as text."""
    found = ((key, scalar(value)) for key, value in values.items())
    return {key: value for key, value in found if value is not None}


def has(row: Row, *names: str) -> bool:
    """Whether the row has all these fields."""
    return all(name in row.values for name in names)


def first_of(row: Row, names: Sequence[str]) -> str | None:
    """The first of these fields that the row has."""
    return next((name for name in names if name in row.values), None)


def need(row: Row, name: str) -> str:
    """A scalar that must be there and not be blank, as text."""
    text = optional(row, name, missing=False)
    if not text.strip():
        state = "null" if row.values[name] is None else "empty"
        raise DataError(f"{row.where}: field '{name}' is {state}")
    return text


def optional(row: Row, name: str, missing: bool = True) -> str:
    """A scalar as text; null is empty, and so is a missing field where it may be missing."""
    if name not in row.values:
        if missing:
            return ""
        raise DataError(f"{row.where}: {unknown_field(name, row.values)}")
    value = row.values[name]
    if isinstance(value, list | dict):
        kind = "a list" if isinstance(value, list) else "an object"
        raise DataError(f"{row.where}: field '{name}' is {kind} where text was expected")
    return scalar(value) or ""


def texts(row: Row, name: str) -> tuple[str, ...]:
    """A list of texts, or one text as a list of one; none of them blank."""
    if name not in row.values:
        raise DataError(f"{row.where}: {unknown_field(name, row.values)}")
    value = row.values[name]
    if value is None or (isinstance(value, str) and not value.strip()):
        raise DataError(f"{row.where}: field '{name}' is {'null' if value is None else 'empty'}")
    items = [scalar(item) for item in (value if isinstance(value, list) else [value])]
    kept = tuple(item for item in items if item is not None and item.strip())
    if not kept or len(kept) != len(items):
        what = "holds no text" if not items else "holds an empty or nested item"
        raise DataError(f"{row.where}: field '{name}' {what}")
    return kept


def user(text: str) -> tuple[Turn, ...]:
    """A prompt that is one message of the user."""
    return (Turn("user", text),)
