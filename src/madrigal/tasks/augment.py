"""More training records from those there are: edited, or with names and places exchanged.

Only what the row itself brought of a prompt is changed, never its template, a label or a choice,
and no word that stands in one. Held-out records stay as they are.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from madrigal.errors import DataError
from madrigal.recipe.task import Augment
from madrigal.tasks.edits_by_rule import edited
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.split import position
from madrigal.tasks.swaps import SWAPS, swapped
from madrigal.tasks.task import Task

Kind = Literal["edits", "swaps"]
MARK = "augmented"  # the field that says from which record a copy was made, and how
_SHORTEST = 3  # a field of fewer characters may stand in a prompt by chance
_WORD = re.compile(r"\w+")


def with_augmentation(task: Task, rule: Augment, seed: int) -> Task:
    """The task with further training records after those it has.

    Of each kind so many as its share of the records says, made of records that it can change, each
    once, drawn by seed and content. A copy keeps answer and choices, has its origin and kind in the
    field `augmented`, and stands in the ledger `task.augmented`.

    Raises:
        DataError: raw text, or judged answers, whose answers might no longer fit.
    """
    if not task.answered:
        kind = "raw text" if task.kind == "text" else "judged answers"
        raise DataError(
            f"tasks.{task.name}.augment: the data are {kind}, which are not augmented; remove it"
        )
    records = task.splits["train"]
    shares: Mapping[Kind, float] = {"edits": rule.edits, "swaps": rule.swaps}
    made: list[Record] = []
    ledger: list[dict[str, Any]] = []
    for kind, share in shares.items():
        wanted = round(share * len(records))
        for record, new in _copies(records, kind, rule.rate, seed, wanted):
            made.append(new)
            ledger.append({"from": record.where, "by": kind, "after": new.turns[-1].text})
    note = (
        f"{len(made):,} training records are made from {len(records):,}: "
        + ", ".join(f"{sum(one['by'] == kind for one in ledger):,} by {kind}" for kind in shares)
        + " (a share of "
        f"{len(made) / max(1, len(made) + len(records)):.0%})"
    )
    return replace(
        task,
        splits={**task.splits, "train": (*records, *made)},
        counts={**task.counts, "train": len(records) + len(made), MARK: len(made)},
        notes=(*task.notes, note),
        augmented=tuple(ledger),
    )


def _copies(
    records: Sequence[Record], kind: Kind, rate: float, seed: int, wanted: int
) -> Iterator[tuple[Record, Record]]:
    """So many records with their copies, in the order of a draw; fewer where fewer can be made."""
    keys = [record.key for record in records]
    order = sorted(
        range(len(records)), key=lambda k: (position(seed, f"augment {kind}", keys[k]), k)
    )
    count = 0
    for place in order:
        if count == wanted:
            return
        digest = hashlib.sha256(f"{seed}:{kind}:{place}:{keys[place]}".encode()).digest()
        chance = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        new = copied(records[place], kind, rate, chance)
        if new is not None:
            count += 1
            yield records[place], new


def copied(record: Record, kind: Kind, rate: float, chance: np.random.Generator) -> Record | None:
    """A changed copy of a record; None where the kind can change nothing in it."""
    said = (*record.answers, *record.choices)
    known = {word for text in said for word in _WORD.findall(text.lower())}
    if kind == "swaps" and known & {*SWAPS, "her"}:
        return None  # what is swapped in the prompt would have to be swapped in the answer
    prompt = record.turns[-1].text
    after = prompt
    for start, end in reversed(_own(prompt, record, said)):
        part = after[start:end]
        new = swapped(part) if kind == "swaps" else edited(part, rate, known, chance)
        after = after[:start] + new + after[end:]
    if after == prompt or not after.strip():
        return None
    fields = MappingProxyType({**record.fields, MARK: f"{kind} of {record.where}"})
    turns = (*record.turns[:-1], Turn("user", after))
    return replace(record, where=f"{record.where} ({kind})", turns=turns, fields=fields)


def _own(prompt: str, record: Record, said: Sequence[str]) -> list[tuple[int, int]]:
    """Where fields of the row stand in its prompt, but answers and choices."""
    values = {value.strip() for value in record.fields.values()} - {text.strip() for text in said}
    found: list[tuple[int, int]] = []
    for value in sorted(values, key=lambda text: (-len(text), text)):
        start = prompt.find(value) if len(value) >= _SHORTEST else -1
        end = start + len(value)
        if start >= 0 and not any(a < end and start < b for a, b in found):
            found.append((start, end))
    return sorted(found)
