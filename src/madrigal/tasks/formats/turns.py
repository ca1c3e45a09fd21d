"""Conversations as lists of messages, in the several ways people write them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from madrigal.errors import DataError
from madrigal.tasks.formats.base import Draft, scalar
from madrigal.tasks.record import Role, Turn
from madrigal.tasks.row import Row, quoted

ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
}

_CONTENTS = ("content", "value", "text")

UNANSWERED = "conversations end with a turn that nobody answers; that turn is left out"
UNTRAINED = "conversations end with an answer of weight 0; it is left out"
UNASKED = "conversations begin with an answer to nothing; that turn is left out"


def turns_of(messages: Any, where: str) -> list[Turn]:
    """Messages as turns; neighbours of one role become one. DataError with the message's number."""
    if not isinstance(messages, list) or not messages:
        raise DataError(f"{where}: the conversation is empty or no list of messages")
    turns: list[Turn] = []
    for number, message in enumerate(messages, 1):
        turn = _turn(message, f"{where}: message {number}")
        if turn.role == "system" and turns:
            raise DataError(f"{where}: message {number} is a system message; it must be the first")
        if turns and turns[-1].role == turn.role:
            if turns[-1].trained != turn.trained:
                raise DataError(
                    f"{where}: message {number} and the one before are one answer, but only one "
                    "has the weight 0; give both the same"
                )
            turns[-1] = replace(turn, text=f"{turns[-1].text}\n{turn.text}")
        else:
            turns.append(turn)
    return turns


def _turn(message: Any, where: str) -> Turn:
    if not isinstance(message, dict):
        raise DataError(f"{where} is no object with a role and a text")
    role = message.get("role", message.get("from"))
    if role is None:
        raise DataError(f"{where} has no 'role' (or 'from'); found {quoted(message)}")
    if str(role) not in ROLES:
        raise DataError(f"{where} has the role '{role}'; known: {quoted(ROLES)}")
    if message.get("tool_calls"):
        raise DataError(f"{where} calls a tool; conversations with tools cannot be trained yet")
    content = next((message[name] for name in _CONTENTS if name in message), None)
    text = _parts(content, where) if isinstance(content, list) else scalar(content)
    if text is None or not text.strip():
        raise DataError(f"{where} has no text ('content' or 'value')")
    spoken = ROLES[str(role)]
    weight = message.get("weight")
    if weight not in (None, 0, 1):
        raise DataError(f"{where} has the weight {scalar(weight)}; only 0 and 1 are known")
    return Turn(spoken, text, trained=spoken != "assistant" or weight != 0)


def _parts(parts: list[Any], where: str) -> str:
    """OpenAI's list form of a content: text parts only."""
    for part in parts:
        if not isinstance(part, dict) or part.get("type") != "text":
            kind = part.get("type") if isinstance(part, dict) else type(part).__name__
            raise DataError(f"{where} has a part of type '{kind}'; only text can be trained")
    return "".join(str(part.get("text", "")) for part in parts)


def conversation(row: Row, turns: Sequence[Turn], fields: Mapping[str, str]) -> Draft:
    """Everything up to the last answer as prompt, and that answer."""
    kept = list(turns)
    note = ""
    while kept and not (kept[-1].role == "assistant" and kept[-1].trained):
        note = UNTRAINED if kept.pop().role == "assistant" else note or UNANSWERED
    if not kept and any(turn.role == "assistant" for turn in turns):
        raise DataError(f"{row.where}: every answer of the assistant has the weight 0")
    start = 1 if kept and kept[0].role == "system" else 0
    if len(kept) > start and kept[start].role == "assistant":
        del kept[start]
        note = UNASKED
    if len(kept) < start + 2:
        raise DataError(f"{row.where}: the conversation has no answer of the assistant to learn")
    *before, last = kept
    return Draft(row.where, tuple(before), (last.text,), note=note, fields=fields)
