"""`madrigal filter FILTER [FILE...]`: what a filter finds, and how often it is right."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from madrigal.audit.measure import Quality, Share, by_rule, quality
from madrigal.audit.verdict import Filter, Verdict
from madrigal.errors import DataError, UserMistake
from madrigal.evaluation.intervals import wilson
from madrigal.pipeline.filters import load_filter
from madrigal.report import numbers
from madrigal.report.numbers import Interval
from madrigal.tasks.find import find_files
from madrigal.tasks.read import read_file

LEVEL = 0.95
_SHOWN = 5  # texts of each kind of mistake
_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Wish:
    """The command line."""

    filter: str
    files: tuple[Path, ...] = ()
    text: str = "text"  # field with the text
    label: str = "label"  # field that says what people said
    harmful: tuple[str, ...] = ()  # values of it that mean harm
    side: str = "output"


def filter_(wish: Wish) -> None:
    """Says of every line of the input what the rules find; of files with labels how often the
    filter is right.

    Raises:
        UserMistake: the filter, a model of it, or a file is wrong.
    """
    if wish.side not in ("input", "output"):
        raise UserMistake(f"--side {wish.side}: unknown; there are: 'input', 'output'")
    if wish.files and not wish.harmful:
        raise UserMistake("--harmful: missing; name the labels of the files that mean harm")
    found = load_filter(wish.filter)
    if not wish.files:
        _lines(found, wish)
        return
    texts, labels = _read(wish)
    harmful = [label in wish.harmful for label in labels]
    verdicts = found.verdicts(texts, side="input" if wish.side == "input" else "output")
    console = Console(highlight=False)
    console.print(_table(quality(verdicts, harmful, _wilson)))
    console.print(_rules(by_rule(verdicts, harmful, _wilson)))
    for line in _mistaken(texts, verdicts, harmful):
        console.print(line, markup=False, soft_wrap=True)


def _lines(found: Filter, wish: Wish) -> None:
    for line in sys.stdin:
        text = line.rstrip("\n")
        (verdict,) = found.verdicts([text], side="input" if wish.side == "input" else "output")
        print(f"{_words(verdict)}\t{text}")


def _words(verdict: Verdict) -> str:
    if not verdict.rules:
        return "fine"
    told = [
        f"{one.rule} ({one.text!r})" if len(one.text) <= 40 else f"{one.rule} ({one.score:.2f})"
        for one in verdict.findings
        if one.found
    ]
    return f"{'blocked' if verdict.blocked else 'noted'}: {', '.join(dict.fromkeys(told))}"


def _read(wish: Wish) -> tuple[list[str], list[str]]:
    """Texts and labels of the files, in order."""
    texts: list[str] = []
    labels: list[str] = []
    for found in (one for path in wish.files for one in find_files(str(path), Path())):
        for row in read_file(found)[0]:
            values: dict[str, Any] = dict(row.values)
            for name in (wish.text, wish.label):
                if name not in values:
                    raise DataError(
                        f"{row.where}: no field {name!r}; name it with --text or --label"
                    )
            texts.append(str(values[wish.text]))
            labels.append(str(values[wish.label]))
    unknown = sorted(set(wish.harmful) - set(labels))
    if unknown:
        there = ", ".join(sorted(set(labels))[:8])
        raise DataError(f"--harmful {unknown[0]}: no row has it; the labels are {there}")
    return texts, labels


def _wilson(right: int, n: int) -> tuple[float, float]:
    return wilson(right, n, LEVEL)


def _table(found: Quality) -> Table:
    table = _empty(("", "share", "of"))
    for name, share, of in (
        ("precision: harmful of those blocked", found.precision, "blocked"),
        ("recall: blocked of the harmful", found.recall, "harmful"),
        ("false alarms: blocked of the harmless", found.false_alarms, "harmless"),
    ):
        table.add_row(name, _share(share), f"{share.n:,} {of}")
    return table


def _rules(found: dict[str, Share]) -> Table:
    table = _empty(("rule", "precision", "finds"))
    for rule, share in found.items():
        table.add_row(rule, _share(share), f"{share.n:,}")
    return table


def _share(share: Share) -> str:
    if share.value is None:
        return numbers.DASH
    return numbers.score(Interval(share.value, share.low, share.high), "accuracy")


def _mistaken(
    texts: Sequence[str], verdicts: Sequence[Verdict], harmful: Sequence[bool]
) -> Iterator[str]:
    """The first few false alarms and the first few misses."""
    pairs = list(zip(texts, verdicts, harmful, strict=True))
    alarms = [f"  {_words(v)}: {_short(t)}" for t, v, bad in pairs if v.blocked and not bad]
    missed = [f"  {_short(text)}" for text, v, bad in pairs if bad and not v.blocked]
    for title, lines in (("False alarms", alarms), ("Missed", missed)):
        if lines:
            yield f"{title}, the first of {len(lines):,}:"
            yield from lines[:_SHOWN]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"


def _empty(columns: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column)
    return table
