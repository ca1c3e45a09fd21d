"""Prompt and completion, each a text or a list of messages.

This is also the canonical shape that every other format converts to: besides `prompt` and
`completion` it may hold `answers` (all accepted ones, the first being trained) and `choices`.
"""

from typing import Any

from madrigal.errors import DataError
from madrigal.recipe.task import InstructionSettings
from madrigal.tasks.formats.alpaca import opening_turns
from madrigal.tasks.formats.base import Draft, Format, has, need, scalars, texts
from madrigal.tasks.formats.turns import conversation, turns_of
from madrigal.tasks.record import Turn
from madrigal.tasks.row import Row
from madrigal.tasks.template import unknown_field

PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("prompt", "answer"),
    ("query", "response"),
    ("input", "output"),
    ("input", "target"),
    ("inputs", "targets"),
    ("source", "target"),
)


def _matches(row: Row) -> bool:
    return any(has(row, *pair) for pair in PAIRS)


def _drafts(row: Row, _: InstructionSettings) -> list[Draft]:
    names = next((pair for pair in PAIRS if has(row, *pair)), None)
    if names is None:
        started = next((pair for pair in PAIRS if pair[0] in row.values), PAIRS[0])
        missing = next(name for name in started if name not in row.values)
        raise DataError(f"{row.where}: {unknown_field(missing, row.values)}")
    before, after = names
    fields = scalars(row.values)
    value, said = row.values[before], row.values[after]
    if isinstance(value, list) or _is_messages(said):
        turns = turns_of(value, row.where) if isinstance(value, list) else _asked(row, before)
        answer = turns_of(said, row.where) if _is_messages(said) else ()
        if answer:
            return [conversation(row, [*turns, *answer], fields)]
    else:
        turns = _asked(row, before)
    answers = texts(row, "answers" if "answers" in row.values else after)
    choices = texts(row, "choices") if row.values.get("choices") is not None else ()
    if choices and answers[0] not in choices:
        raise DataError(f"{row.where}: the answer '{answers[0]}' is not among the choices")
    return [Draft(row.where, tuple(turns), answers, choices, fields=fields)]


def _is_messages(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _asked(row: Row, name: str) -> list[Turn]:
    return [*opening_turns(row), Turn("user", need(row, name))]


PROMPT_COMPLETION = Format(
    "prompt_completion", "prompt, completion (or query, response; input, output)", _matches, _drafts
)
