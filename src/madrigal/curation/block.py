"""A block: some rows of one file in a row, looked at by themselves.

What is found in a block follows from its rows alone. So blocks may be looked at in any order, by
any process or machine, and together they say the same: merging is laying them side by side.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from madrigal.curation.checks import look
from madrigal.curation.fields import InBlock, count
from madrigal.curation.finding import Finding, Severity
from madrigal.curation.marks import SPLITS, Marks
from madrigal.curation.reading import row_of, samples, told_by
from madrigal.curation.sample import Sample, Told
from madrigal.curation.sources import Source, side_of
from madrigal.curation.stream import Item, items
from madrigal.errors import DataError
from madrigal.tasks.formats.base import Format
from madrigal.tasks.formats.detect import choose_format

SIZE = 2000  # rows
_MOST_BYTES = 16 << 20  # of a block; long rows make it shorter


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of the `source`-th file, the first of them its row `first`, and what they take of it."""

    source: int
    number: int
    first: int
    items: tuple[Item, ...]
    bytes: int


def blocks(number: int, source: Source) -> Iterator[Block]:
    """A file in blocks. DataError as `items` raises it."""
    held: list[Item] = []
    size = count = made = read = 0
    for item in items(source.found):
        held.append(item)
        size += len(item.line) if item.line is not None else _size(item)
        if len(held) == SIZE or size >= _MOST_BYTES:
            yield Block(number, made, count, tuple(held), item.read - read)
            count, made, held, size, read = count + len(held), made + 1, [], 0, item.read
    if held:
        yield Block(number, made, count, tuple(held), held[-1].read - read)


def _size(item: Item) -> int:
    return sum(len(value) for value in item.values.values() if isinstance(value, str)) + 8


@dataclass(slots=True)
class Book:
    """What is written down of the samples of one block, one after another."""

    task: str
    file: str
    marks: Marks = field(default_factory=Marks)
    wheres: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    licences: Counter[str] = field(default_factory=Counter)
    given: InBlock = field(default_factory=dict)

    def add(self, sample: Sample, place: int, part: int, side: int, filled: int) -> None:
        """One more sample, the `part`-th of row `place`, and what is seen in it alone."""
        self.marks.add(sample, place, part, side, min(filled, 65535))
        self.wheres.append(sample.where)
        self.licences[sample.licence or ""] += 1
        count(self.given, sample, side)
        for seen in look(sample):
            known = (seen.check, seen.severity, seen.evidence)
            self.findings.append(
                Finding(self.task, SPLITS[side], self.file, place, sample.where, *known, part)
            )

    def told(self, rows: int, declared: Iterable[str] = ()) -> dict[str, Any]:
        """All but the marks, as JSON."""
        return {
            "rows": rows,
            "where": self.wheres,
            "labels": list(self.marks.labels),
            "licences": dict(sorted(self.licences.items())),
            "declared": sorted(declared),
            "fields": self.given,
            "findings": [one.as_json() for one in self.findings],
        }


@dataclass(frozen=True, slots=True)
class Looker:
    """Looks at the blocks of one file. Its format is found again in each process."""

    source: Source
    shape: Format

    @classmethod
    def of(cls, source: Source) -> "Looker":
        return cls(source, choose_format(source.task, source.first, source.settings))

    def look(self, block: Block) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Marks as arrays, and findings, places and counts as JSON."""
        book = Book(self.source.task, self.source.name)
        told: dict[int, Told] = {}
        for place, item in enumerate(block.items, block.first):
            header = item.header
            key = id(header) if header else 0
            if key not in told:
                told[key] = told_by(header, self.source.languages)
            try:
                row = row_of(item, self.source.name, self.source.settings.data.columns)
                read = samples(row, self.shape, self.source.settings, told[key])
                filled = sum(value not in (None, "", []) for value in row.values.values())
            except DataError as error:
                book.findings.append(self._unread(place, item.where, error.mistakes[0]))
                continue
            for part, sample in enumerate(read):
                book.add(sample, place, part, side_of(sample, self.source), filled)
        declared = {("|".join(one.languages)) for one in told.values()} - {"|"}
        return book.marks.arrays(), book.told(len(block.items), declared)

    def _unread(self, place: int, where: str, mistake: str) -> Finding:
        said = mistake.removeprefix(f"{where}: ")
        empty = said.startswith("field") and said.endswith((" is empty", " is null"))
        severity: Severity = "error"
        check = "empty_answer" if empty else "unreadable"
        task, split = self.source.task, self.source.split
        return Finding(task, split, self.source.name, place, where, check, severity, said)


def stored(folder: Path, source: int, number: int) -> Path:
    """Where a block's numbers lie; its words lie beside them."""
    return folder / f"{source:04d}-{number:06d}.npz"


def is_stored(path: Path) -> bool:
    """Whether a block was looked at: its words are written last."""
    return path.with_suffix(".json").exists()


def store(path: Path, arrays: dict[str, np.ndarray], told: dict[str, Any]) -> None:
    """Write a block, whole or not at all."""
    aside = path.with_name(f".{os.getpid()}-{path.name}")
    with aside.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    aside.replace(path)
    words = aside.with_suffix(".json")
    words.write_text(json.dumps(told, ensure_ascii=True, separators=(",", ":")), "utf-8")
    words.replace(path.with_suffix(".json"))
