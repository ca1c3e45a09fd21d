"""`madrigal constitution FILE --out DIR`: data from principles, and what became of each prompt."""

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from madrigal.pipeline.constitution import work
from madrigal.pipeline.constitution_job import CARD, PREFERENCES, REVISIONS, ready
from madrigal.pipeline.watch import Screen
from madrigal.report.constitution import sentences, shares, write_card


def constitution(path: Path, out: Path | None) -> None:
    """Makes the data, prints what came out, and writes a card.

    Raises:
        UserMistake: with every mistake that can be told before anything is asked.
        RunStopped: a generator cannot go on; the same command does.
    """
    home = out or Path("runs") / f"{path.stem}.constitution"
    job = ready(path, home)
    console = Console(highlight=False)
    summary = work(job, home, Screen(console))
    card = write_card(summary, home / "ledger.jsonl", home / CARD)
    _tell(summary, console)
    console.print(
        f"wrote {home / REVISIONS}, {home / PREFERENCES} and {card}", markup=False, soft_wrap=True
    )


def _tell(summary: Mapping[str, Any], console: Console) -> None:
    console.print(_table(("what became of a prompt", "prompts"), _fates(summary)))
    console.print(_table(("measure", "value", "95 % interval", "on"), iter(shares(summary))))
    for sentence in sentences(summary):
        for line in textwrap.wrap(sentence, console.width):
            console.print(line, markup=False)


def _fates(summary: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    return ((why, f"{count:,}") for why, count in summary["fates"].items())


def _table(columns: tuple[str, ...], cells: Iterator[tuple[str, ...]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    for row in cells:
        table.add_row(*map(Text, row))
    return table
