"""The card of a task: how much data, and what was found in it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from heapq import nlargest
from typing import Any

import numpy as np

from madrigal.curation.finding import CHECKS, CheckName, Finding
from madrigal.curation.marks import CODES, SPLITS
from madrigal.curation.meaning import MEANINGS
from madrigal.curation.shift import Shift
from madrigal.curation.table import TASK, Table

VERSION = 1
EXAMPLES = 5
_LABELS = 200


@dataclass(slots=True)
class Tally:
    """What one check found in one task; two of them are added up by `merge`."""

    findings: int = 0
    records: set[tuple[str, int]] = field(default_factory=set)
    severities: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    worst: list[tuple[float, int, Finding]] = field(default_factory=list)

    def add(self, finding: Finding, order: int) -> None:
        self.findings += 1
        self.severities[finding.severity] += 1
        self.splits[finding.split] += 1
        if finding.record != TASK:
            self.records.add((finding.file, finding.record))
        self._keep([(finding.score, -order, finding)])

    def merge(self, other: "Tally") -> None:
        self.findings += other.findings
        self.severities.update(other.severities)
        self.splits.update(other.splits)
        self.records |= other.records
        self._keep(other.worst)

    def _keep(self, more: Iterable[tuple[float, int, Finding]]) -> None:
        self.worst = nlargest(EXAMPLES, [*self.worst, *more], key=lambda one: one[:2])


@dataclass(slots=True)
class Tallies:
    """Everything that was found, counted by task and check."""

    by_task: dict[str, dict[CheckName, Tally]] = field(default_factory=dict)
    seen: int = 0

    def add(self, finding: Finding) -> None:
        mine = self.by_task.setdefault(finding.task, {})
        mine.setdefault(finding.check, Tally()).add(finding, self.seen)
        self.seen += 1

    def of(self, task: str) -> Mapping[CheckName, Tally]:
        """In the order of the checks."""
        found = self.by_task.get(task, {})
        return {name: found[name] for name in CHECKS if name in found}


def card(
    table: Table,
    task: str,
    tallies: Tallies,
    checked: Iterable[CheckName],
    apart: Iterable[Shift] = (),
) -> dict[str, Any]:
    """The content of `cards/TASK.json`; every number follows from the files alone."""
    mine = table.of_task(task)
    side = table.column("side")[mine]
    found = tallies.of(task)
    unread = found["unreadable"].findings if "unreadable" in found else 0
    return {
        "version": VERSION,
        "task": task,
        "files": [one.name for one in table.sources.of(task)],
        "format": table.sources.of(task)[0].format,
        "records": {split: int((side == k).sum()) for k, split in enumerate(SPLITS)},
        "unreadable": unread,
        "copies": int(table.column("copied")[mine].sum()),
        "checked": list(checked),
        "lengths": {
            name: _quantiles(table.column(f"{name}_length")[mine]) for name in ("prompt", "answer")
        },
        "languages": {
            name: languages(table.column(f"{name}_language")[mine]) for name in ("prompt", "answer")
        },
        "labels": _labels(table, mine),
        "licences": dict(sorted(table.licences()[task].items())),
        "shift": [one.as_json(table) for one in apart if one.concerns(task)],
        "found": found_in(found, int(mine.sum())),
    }


def found_in(tallies: Mapping[CheckName, Tally], records: int) -> dict[str, Any]:
    """What was found in so many records, a key a check."""
    return {name: _told(name, tally, records) for name, tally in tallies.items()}


def _told(name: CheckName, tally: Tally, records: int) -> dict[str, Any]:
    meaning = MEANINGS[name]
    return {
        "title": meaning.title,
        "records": len(tally.records),
        "share": len(tally.records) / records if records else 0.0,
        "findings": tally.findings,
        "severities": dict(sorted(tally.severities.items())),
        "splits": {split: tally.splits[split] for split in SPLITS if tally.splits[split]},
        "harm": meaning.harm,
        "cure": meaning.cure,
        "advice": meaning.advice,
        "examples": [finding.as_json() for _, _, finding in tally.worst],
    }


def _quantiles(lengths: np.ndarray) -> dict[str, int]:
    given = lengths[lengths > 0]
    if not len(given):
        return {}
    points = np.quantile(given, [0.05, 0.5, 0.95], method="nearest")
    low, middle, high = (int(point) for point in points)
    return {"p5": low, "median": middle, "p95": high, "longest": int(given.max())}


def languages(told: np.ndarray) -> dict[str, int]:
    """How many texts are in each language, the most frequent first."""
    counts = np.bincount(told, minlength=len(CODES))
    return {CODES[k]: int(counts[k]) for k in np.argsort(-counts, kind="stable") if k and counts[k]}


def _labels(table: Table, mine: np.ndarray) -> dict[str, dict[str, int]]:
    placed, names = table.labels()
    side = table.column("side")
    counted: dict[str, dict[str, int]] = {}
    for k, split in enumerate(SPLITS):
        here = placed[mine & (side == k) & (placed >= 0)]
        counts = Counter(here.tolist())
        if counts and len(counts) <= _LABELS:
            counted[split] = {
                names[label]: counts[label] for label in sorted(counts, key=names.__getitem__)
            }
    return counted
