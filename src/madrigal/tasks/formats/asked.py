"""What stands before judged answers, in the several ways people write it."""

from collections.abc import Sequence
from dataclasses import replace

from madrigal.errors import DataError
from madrigal.tasks.formats.alpaca import instruction_turns, opening_turns
from madrigal.tasks.formats.base import first_of, need
from madrigal.tasks.formats.transcript import is_transcript, transcript
from madrigal.tasks.formats.turns import turns_of
from madrigal.tasks.record import Turn
from madrigal.tasks.row import Row
from madrigal.tasks.template import unknown_field

LISTS = ("prompt", "conversation", "messages")
TEXTS = ("prompt", "instruction", "question", "query", "input")


def prompted(row: Row) -> bool:
    """Whether the row has a prompt under one of the names that are known."""
    return _list_of(row) is not None or first_of(row, TEXTS) is not None


def asked(row: Row) -> tuple[tuple[Turn, ...], str]:
    """The turns before the answers, and no problem; or none, and what is missing.

    A prompt is a text, a list of messages, a dialogue with `Human:` turns, or `instruction` and
    `input`. What the assistant said in it is not trained.
    """
    messages = _list_of(row)
    if messages is not None:
        return untrained(turns_of(row.values[messages], row.where), row.where), ""
    name = first_of(row, TEXTS)
    if name is None:
        return (), f"{row.where}: {unknown_field('prompt', row.values)}"
    if name == "instruction":
        return untrained(instruction_turns(row), row.where), ""
    text = need(row, name)
    if is_transcript(text):
        return untrained(transcript(text, row.where, name), row.where), ""
    return untrained((*opening_turns(row), Turn("user", text)), row.where), ""


def _list_of(row: Row) -> str | None:
    return next((name for name in LISTS if isinstance(row.values.get(name), list)), None)


def untrained(turns: Sequence[Turn], where: str) -> tuple[Turn, ...]:
    """Turns before judged answers: only the answers are trained. DataError if none is asked for."""
    if not turns or turns[-1].role != "user":
        raise DataError(f"{where}: the prompt must end with what the user says")
    return tuple(replace(turn, trained=turn.role != "assistant") for turn in turns)
