"""A few training examples of a task: evenly over its answers, drawn by content."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from madrigal.errors import DataError
from madrigal.tasks.record import Record
from madrigal.tasks.split import position
from madrigal.tasks.task import Task


def with_shots(task: Task, count: int, draw: int, seed: int) -> Task:
    """The task with only `count` training examples; draw number `draw` of those that `seed` has.

    Where the answer is one of several choices, the examples go round the places of the right one
    among them: no label, or letter, has two more than another so long as the data have enough.
    The examples of a smaller count are among those of a larger one of the same draw, so that a
    curve over the count is of one growing set.

    Raises:
        DataError: there are too few training examples, or raw text, which has no examples.
    """
    if task.kind == "text":
        raise DataError(
            f"tasks.{task.name}.shots: raw text has no examples to count; use `data.max_train`"
        )
    records = task.splits["train"]
    if len(records) < count:
        raise DataError(
            f"tasks.{task.name}.shots: {count} are asked for, and there are {len(records)} "
            f"training examples; ask for at most {len(records)}"
        )
    chosen = set(_order(records, f"shots {draw}", seed)[:count])
    kept = tuple(record for place, record in enumerate(records) if place in chosen)
    note = f"{count} of {len(records)} training examples, draw {draw}"
    return replace(
        task,
        splits={**task.splits, "train": kept},
        counts={**task.counts, "train": count},
        notes=(*task.notes, note),
    )


def _order(records: Sequence[Record], purpose: str, seed: int) -> list[int]:
    """All places in the order in which examples are taken: round the strata, each in its own."""
    copies: Counter[str] = Counter()
    strata: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for place, record in enumerate(records):
        copies[record.key] += 1
        number = position(seed, purpose, f"{record.key}:{copies[record.key]}")
        strata[_stratum(record)].append((number, place))
    rounds = [
        (turn, position(seed, f"{purpose} strata", f"{turn}:{stratum}"), place)
        for stratum, members in strata.items()
        for turn, (_, place) in enumerate(sorted(members))
    ]
    return [place for _, _, place in sorted(rounds)]


def _stratum(record: Record) -> int:
    """Where the right answer stands among the choices; all free answers are alike."""
    return record.choices.index(record.answers[0]) if record.choices else -1
