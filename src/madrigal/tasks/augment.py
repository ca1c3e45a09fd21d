"""More training records from those there are: edited, with names and places exchanged, asked in
other words, or said in a generator's.

Either what the row itself brought of a prompt is changed, or its template, never a label or a
choice, and no word that stands in one. Held-out records stay as they are.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise, zip_longest
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np

from madrigal.errors import DataError
from madrigal.recipe.task import Augment
from madrigal.tasks.edits_by_rule import edited
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.rewritten import prompts, read_rewritten
from madrigal.tasks.split import position
from madrigal.tasks.swaps import SWAPS, swapped
from madrigal.tasks.task import DataFile, Task
from madrigal.tasks.templates_by_rule import reworded

Kind = Literal["edits", "swaps", "templates"]
MARK = "augmented"  # the field that says from which record a copy was made, and how
_SHORTEST = 3  # a field of fewer characters may stand in a prompt by chance
_WORD = re.compile(r"\w+")


def with_augmentation(task: Task, rule: Augment, seed: int, root: Path = Path()) -> Task:
    """The task with further training records after those it has.

    Of each kind so many as its share of the records says, made of records that it can change, each
    once, drawn by seed and content; of what a generator wrote all that fits, at most as many as
    there are records. A copy keeps answer and choices, has its origin and kind in the field
    `augmented`, and stands in the ledger `task.augmented`.

    Raises:
        DataError: raw text, or judged answers, whose answers might no longer fit; a file of
            rewritten texts that is none, or in which nothing fits the records.
    """
    where = f"tasks.{task.name}.augment"
    if not task.answered:
        kind = "raw text" if task.kind == "text" else "judged answers"
        raise DataError(f"{where}: the data are {kind}, which are not augmented; remove it")
    records = task.splits["train"]
    shares: Mapping[Kind, float] = {
        "edits": rule.edits, "swaps": rule.swaps, "templates": rule.templates
    }  # fmt: skip
    made: list[tuple[Record, Record, str]] = []
    for kind, share in shares.items():
        wanted = round(share * len(records))
        copies = _copies(records, kind, rule.rate, seed, wanted)
        made += [(record, new, kind) for record, new in copies]
    files: tuple[DataFile, ...] = ()
    if rule.written is not None:
        rows, files = read_rewritten(rule.written, root, f"{where}.written")
        found = [
            (record, marked(record, by, prompt), by)
            for record, by, prompt in prompts(records, rows)
        ]
        if not found:
            raise DataError(
                f"{where}.written: none of the {len(rows):,} rows of {rule.written} fits a "
                "training record; name the file that was written for these data"
            )
        made += found[: len(records)]
    return replace(
        task,
        splits={**task.splits, "train": (*records, *(new for _, new, _ in made))},
        counts={**task.counts, "train": len(records) + len(made), MARK: len(made)},
        notes=(*task.notes, _note(len(records), made, [k for k in shares if shares[k]])),
        augmented=tuple(
            {"from": record.where, "by": by, "after": new.turns[-1].text}
            for record, new, by in made
        ),
        files=(*task.files, *files),
    )


def _note(records: int, made: Sequence[tuple[Record, Record, str]], asked: Sequence[str]) -> str:
    counts = dict.fromkeys(asked, 0) | Counter(by for _, _, by in made)
    told = ", ".join(f"{count:,} by {by}" for by, count in counts.items())
    share = len(made) / max(1, len(made) + records)
    return (
        f"{len(made):,} training records are made from {records:,}: {told} (a share of {share:.0%})"
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
    own, around = _cut(prompt, _own(prompt, record, said))
    if kind == "templates":
        # Where nothing of the row is found, template and row cannot be told apart.
        around = reworded(around, known, chance) if own else around
    else:
        own = [swapped(part) if kind == "swaps" else edited(part, rate, known, chance)
               for part in own]  # fmt: skip
    after = "".join(part for pair in zip_longest(around, own, fillvalue="") for part in pair)
    if after == prompt or not after.strip():
        return None
    return marked(record, kind, after)


def marked(record: Record, by: str, prompt: str) -> Record:
    """A copy with another prompt, which says of what record it was made and how."""
    fields = MappingProxyType({**record.fields, MARK: f"{by} of {record.where}"})
    turns = (*record.turns[:-1], Turn("user", prompt))
    return replace(record, where=f"{record.where} ({by})", turns=turns, fields=fields)


def own_texts(record: Record) -> list[str]:
    """What the row brought of its last prompt, but answers and choices, in their order."""
    prompt = record.turns[-1].text
    return [prompt[a:b] for a, b in _own(prompt, record, (*record.answers, *record.choices))]


def _cut(prompt: str, spans: Sequence[tuple[int, int]]) -> tuple[list[str], list[str]]:
    """What lies in the spans, and what lies around them: one part more."""
    ends = [0, *(place for span in spans for place in span), len(prompt)]
    parts = [prompt[a:b] for a, b in pairwise(ends)]
    return parts[1::2], parts[::2]


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
