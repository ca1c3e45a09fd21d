"""The turns of a record as pieces of text: plainly, or in the model's own chat form."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from madrigal.errors import ModelError
from madrigal.tasks.record import Role, Turn


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text. After what the model `said` an end token follows, trained with it or not.

    With `special`, special tokens written out in it are meant as such: it is template text.
    """

    text: str
    said: bool = False
    trained: bool = False
    special: bool = False


@dataclass(frozen=True, slots=True)
class Rendered:
    """Everything before the answer, and what stands between the two.

    `asked` is where the text of the last turn stands: number of the piece, start and end in it.
    """

    pieces: tuple[Piece, ...]
    lead: str
    asked: tuple[int, int, int] = (0, 0, 0)

    def lead_of(self, answer: str) -> str:
        return "" if answer[:1].isspace() else self.lead


class Form(Protocol):
    """How turns become text; `end` is the token after each answer of the model."""

    @property
    def end(self) -> int: ...

    def render(self, turns: Sequence[Turn]) -> Rendered: ...


@dataclass(frozen=True, slots=True)
class PlainForm:
    """Turns as they are, a line end between them and one space before what the model says."""

    end: int

    def render(self, turns: Sequence[Turn]) -> Rendered:
        pieces: list[Piece] = []
        text = ""
        asked = (0, 0, 0)
        for turn in turns:
            if turn.role == "assistant":
                said = Rendered((), _lead(text)).lead_of(turn.text) + turn.text
                pieces += [Piece(text), Piece(said, said=True, trained=turn.trained)]
                text = "\n"
            else:
                text += "\n" if text and not text.endswith("\n") else ""
                asked = (len(pieces), len(text), len(text) + len(turn.text))
                text += turn.text
        return Rendered((*pieces, Piece(text)), _lead(text), asked)


def _lead(prompt: str) -> str:
    return " " if prompt and not prompt[-1].isspace() else ""


# Stands for the text of a turn while a chat template is rendered. Private-use characters: no
# template looks for them, and no trimming touches them.
_SLOT = re.compile("\ue000(\\d+)\ue001")


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where the text of a turn goes, and what the model says before it as part of its answer."""

    turn: int
    lead: str


class ChatForm:
    """The tokenizer's chat template, rendered once for each sequence of roles.

    Contents are put into the rendered frame afterwards, so that the border between prompt and
    answer is exact and a special token written out in the data stays text.
    """

    def __init__(self, tokenizer: Any, end: int) -> None:
        self._tokenizer = tokenizer
        self._specials = tuple(sorted(map(str, tokenizer.get_added_vocab()), key=len, reverse=True))
        self._trims = "  \ue000" not in self._apply(("user",), True, around="  ")
        self._frame = lru_cache(maxsize=4096)(self._make_frame)
        after = _SLOT.split(self._apply(("user", "assistant"), False))[-1].strip()
        first = next((s for s in self._specials if after.startswith(s)), None)
        self._end_text = first or tokenizer.convert_ids_to_tokens(end)
        self.end: int = end if first is None else int(tokenizer.convert_tokens_to_ids(first))

    def render(self, turns: Sequence[Turn]) -> Rendered:
        last = "".join(turn.text for turn in turns[-1:])
        last = last.rstrip() if self._trims else last
        turns = self._merged(turns)
        frame, lead = self._frame(tuple(turn.role for turn in turns))
        pieces: list[Piece] = []
        asked = (0, 0, 0)
        for part in frame:
            if isinstance(part, str):
                _extend(pieces, part, special=True)
                continue
            content = turns[part.turn].text.strip() if self._trims else turns[part.turn].text
            if turns[part.turn].role == "assistant":
                trained = turns[part.turn].trained
                pieces.append(Piece(part.lead + content, said=True, trained=trained))
            else:
                # Ordinary text is joined with its frame: that is how servers tokenise it.
                _extend(pieces, content, special=not any(s in content for s in self._specials))
                # Counted from the end: a system message may have been put before what is asked.
                end = len(pieces[-1].text) if pieces else 0
                start = end - min(len(content), len(last))
                asked = (max(0, len(pieces) - 1), start, end)
        return Rendered(tuple(pieces), lead, asked)

    def _merged(self, turns: Sequence[Turn]) -> Sequence[Turn]:
        """Where the template knows no system role, its text opens the first user turn."""
        if not turns or turns[0].role != "system" or self._knows_system:
            return turns
        if len(turns) > 1 and turns[1].role == "user":
            return (Turn("user", f"{turns[0].text}\n\n{turns[1].text}"), *turns[2:])
        return (Turn("user", turns[0].text), *turns[1:])

    @property
    def _knows_system(self) -> bool:
        try:
            self._frame(("system", "user"))
        except ModelError:
            return False
        return True

    def _make_frame(self, roles: tuple[Role, ...]) -> tuple[tuple[str | _Slot, ...], str]:
        text = self._apply(roles, True)
        parts = _SLOT.split(text)
        if parts[1::2] != [str(turn) for turn in range(len(roles))]:
            raise ModelError(
                "the model's chat template leaves out or repeats turns of a conversation with the "
                f"roles {', '.join(roles)}; write `chat_template: false` under `model`"
            )
        lead = self._lead(roles, text)
        frame: list[str | _Slot] = []
        for turn, role in enumerate(roles):
            before = parts[2 * turn]
            said = role == "assistant"
            inner = lead if said and before.endswith(lead) else ""
            frame += [before.removesuffix(inner), _Slot(turn, inner)]
            if said:
                # The end token after what the model said is added as a token, not as text.
                parts[2 * turn + 2] = parts[2 * turn + 2].lstrip().removeprefix(self._end_text)
        return (*frame, parts[-1]), lead

    def _lead(self, roles: tuple[Role, ...], asked: str) -> str:
        """What stands between generation prompt and answer (Llama 2: a space)."""
        try:
            answered = self._apply((*roles, "assistant"), False)
        except ModelError:
            return ""
        before = answered.split(f"\ue000{len(roles)}\ue001")[0]
        lead = before.removeprefix(asked)
        return lead if before.startswith(asked) and lead.isspace() else ""

    def _apply(self, roles: tuple[Role, ...], asking: bool, around: str = "") -> str:
        messages = [
            {"role": role, "content": f"{around}\ue000{turn}\ue001{around}"}
            for turn, role in enumerate(roles)
        ]
        try:
            return self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=asking
            )
        except Exception as error:  # templates raise whatever they like
            raise ModelError(
                f"the model's chat template refuses the roles {', '.join(roles)} ({error}); "
                "write `chat_template: false` under `model`"
            ) from error


def _extend(pieces: list[Piece], text: str, special: bool) -> None:
    if pieces and not pieces[-1].said and pieces[-1].special == special:
        pieces[-1] = Piece(pieces[-1].text + text, special=special)
    elif text:
        pieces.append(Piece(text, special=special))
