"""Dialogues as one text with `Human:` and `Assistant:` turns, as in the HH sets."""

import re
from itertools import pairwise

from madrigal.errors import DataError
from madrigal.tasks.record import Role, Turn

# A speaker is named at the beginning of the text, and behind an empty line.
_SPEAKER = re.compile(r"(?:\A|\n\n)(Human|Assistant):")

_ROLES: dict[str, Role] = {"Human": "user", "Assistant": "assistant"}


def is_transcript(text: str) -> bool:
    """Whether the text begins as such a dialogue does, and the assistant has its turn."""
    return text.lstrip().startswith("Human:") and "\n\nAssistant:" in text


def repeats(text: str) -> bool:
    """Whether a speaker has two turns in a row."""
    speakers = _SPEAKER.findall(text.strip())
    return any(one == other for one, other in pairwise(speakers))


def transcript(text: str, where: str, name: str) -> list[Turn]:
    """The turns of a dialogue; neighbours of one speaker become one.

    A last `Assistant:` that says nothing asks for the answer and is left out. DataError for any
    other empty turn.
    """
    parts = _SPEAKER.split(text.strip())[1:]
    pairs = zip(parts[::2], parts[1::2], strict=True)
    spoken: list[tuple[Role, str]] = [(_ROLES[who], said.strip()) for who, said in pairs]
    if spoken and spoken[-1] == ("assistant", ""):
        spoken.pop()
    turns: list[Turn] = []
    for number, (role, said) in enumerate(spoken, 1):
        if not said:
            raise DataError(f"{where}: turn {number} of '{name}' says nothing")
        if turns and turns[-1].role == role:
            turns[-1] = Turn(role, f"{turns[-1].text}\n\n{said}")
        else:
            turns.append(Turn(role, said))
    return turns
