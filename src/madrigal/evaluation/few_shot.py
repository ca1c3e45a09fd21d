"""In-context examples: what a model does when it is shown a few instead of being trained."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from madrigal.tasks.encode import Coder
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.rendering import PlainForm
from madrigal.tasks.task import Task

Join = Callable[[Record, Sequence[Record]], tuple[Turn, ...]]


@dataclass(frozen=True, slots=True)
class Shown:
    """A record with examples before its prompt, and how many of them the context had room for."""

    record: Record
    shots: int


def with_examples(
    task: Task, records: Sequence[Record], count: int, seed: int, coder: Coder
) -> list[Shown]:
    """The records with up to `count` training examples before their prompts.

    The same examples, drawn by seed, stand before every prompt; where they do not all fit the
    context, the last ones that do are kept. Chat models get them as earlier turns, others as text
    with an empty line between them.
    """
    pool = [record for record in task.splits["train"] if record.answers]
    chosen = random.Random(f"{seed}:{task.name}").sample(pool, min(count, len(pool)))
    join = _as_turns if coder.templated else _as_text
    return [_fitting(record, chosen, task, coder, join) for record in records]


def with_shown(record: Record, examples: Sequence[Record], task: Task, coder: Coder) -> Shown:
    """A record with these examples before its prompt, or the last of them that fit."""
    return _fitting(record, examples, task, coder, _as_turns if coder.templated else _as_text)


def _fitting(
    record: Record, chosen: Sequence[Record], task: Task, coder: Coder, join: Join
) -> Shown:
    for first in range(len(chosen)):
        whole = replace(record, turns=join(record, chosen[first:]))
        if _fits(whole, task, coder):
            return Shown(whole, len(chosen) - first)
    return Shown(record, 0)


def _as_turns(record: Record, examples: Sequence[Record]) -> tuple[Turn, ...]:
    before = [
        turn
        for example in examples
        for turn in (*_talk(example), Turn("assistant", example.answers[0]))
    ]
    return (*_system(record), *before, *_talk(record))


def _as_text(record: Record, examples: Sequence[Record]) -> tuple[Turn, ...]:
    parts = []
    for example in examples:
        rendered = PlainForm(end=0).render(_talk(example))
        said = rendered.lead_of(example.answers[0]) + example.answers[0]
        parts.append("".join(piece.text for piece in rendered.pieces) + said)
    talk = _talk(record)
    if talk and talk[0].role == "user":
        parts.append(talk[0].text)
        talk = talk[1:]
    return (*_system(record), Turn("user", "\n\n".join(parts)), *talk)


def _system(record: Record) -> tuple[Turn, ...]:
    """What opens the conversation is said once, not with every example."""
    return record.turns[:1] if record.turns and record.turns[0].role == "system" else ()


def _talk(record: Record) -> tuple[Turn, ...]:
    return record.turns[len(_system(record)) :]


def _fits(record: Record, task: Task, coder: Coder) -> bool:
    room = task.max_new_tokens if task.kind == "answer" else 0
    # A token is at least a byte, so no choice has more tokens than bytes.
    longest = max((len(text.encode()) for text in record.choices), default=room)
    return coder.prompt_length(record) + longest + 1 <= coder.context
