"""What one unit of a user's data means, whatever the format of its file."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Literal

from madrigal.tasks.feedback import Feedback

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation."""

    role: Role
    text: str
    trained: bool = True  # for what the assistant says; otherwise it means nothing


@dataclass(frozen=True, slots=True)
class Record:
    """One example as the user wrote it, before any template, chat form or tokenizer.

    Raw text stands in `text` and nothing else is filled. Otherwise `turns` hold what comes before
    the answer (`trained` assistant turns among them are trained too) and `answers` the accepted
    ones: the first is trained, each counts as right in evaluation. `choices` hold what the answer
    is chosen from, in a fixed order; they are empty where the answer is free.
    """

    where: str  # "reviews.jsonl:41", for messages
    turns: tuple[Turn, ...] = ()
    answers: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    text: str = ""
    # Answers that were judged instead of given: then `answers` and `choices` are empty.
    feedback: Feedback | None = None
    # Where the prompt does not fit: parts of it that may go whole, in this order, and the part
    # inside which it is then cut, so that what stands before (an instruction) stays.
    droppable: tuple[str, ...] = ()
    cuttable: str = ""
    # Every scalar field of the source row as text: for templates, stratification and clusters.
    fields: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def prompt(self) -> str:
        """The turns as plain text, one after another, without roles."""
        return "\n".join(turn.text for turn in self.turns)

    @property
    def said(self) -> tuple[str, ...]:
        """The answers that stand in the data: accepted ones, or those that were judged."""
        return self.answers if self.feedback is None else self.feedback.answers

    @property
    def key(self) -> str:
        """Sixteen hex digits of the content, independent of where it stands: the example's id."""
        turns = [[t.role, t.text, *(() if t.trained else (False,))] for t in self.turns]
        parts: list[object] = [self.text, turns, self.answers, self.choices]
        if self.feedback is not None:
            said = asdict(self.feedback)
            for judgement in said["judgements"]:
                if judgement["chance"] is None:  # most have none, and keep the key they had
                    del judgement["chance"]
            parts.append(said)
        canonical = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]
