"""In-context examples: what the untrained model does when it is shown a few."""

import random
from collections.abc import Sequence
from dataclasses import replace

from madrigal.tasks.encode import Coder
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.task import Task


def with_examples(
    task: Task, records: Sequence[Record], count: int, seed: int, coder: Coder
) -> list[Record]:
    """The records with up to `count` training examples as earlier turns.

    The same examples, drawn by seed, stand before every prompt; where they do not all fit the
    context, the last ones that do are kept.
    """
    pool = [record for record in task.splits["train"] if record.answers]
    chosen = random.Random(f"{seed}:{task.name}").sample(pool, min(count, len(pool)))
    return [_shown(record, chosen, task, coder) for record in records]


def _shown(record: Record, chosen: Sequence[Record], task: Task, coder: Coder) -> Record:
    for first in range(len(chosen) + 1):
        before = [
            turn
            for example in chosen[first:]
            for turn in (*example.turns, Turn("assistant", example.answers[0]))
        ]
        whole = replace(record, turns=(*before, *record.turns))
        if first == len(chosen) or _fits(whole, task, coder):
            return whole
    raise AssertionError("the record alone is always returned")


def _fits(record: Record, task: Task, coder: Coder) -> bool:
    room = task.max_new_tokens if task.kind == "answer" else 0
    longest = max((len(text.encode()) for text in record.choices), default=room)
    return coder.prompt_length(record) + longest + 1 <= coder.context
