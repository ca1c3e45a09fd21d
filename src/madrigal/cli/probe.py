"""`madrigal probe RUN...`: harmful answers, refusals and over-refusals, with intervals."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from madrigal.pipeline.probe import Wish, probe
from madrigal.pipeline.watch import Screen

_SPACE = "\N{NO-BREAK SPACE}"


def tell_probe(wish: Wish) -> None:
    """Measures, prints shares and changes, and says where they stand."""
    console = Console(highlight=False)
    found = probe(wish, Screen(console))
    console.print(_table(("model", "measure", "share", "95 % interval", "on"), _shares(found)))
    if found["changes"]:
        console.print(Text(f"\nagainst {next(iter(found['models']))}, on the same prompts"))
        console.print(_table(("model", "measure", "points", "95 % interval", "p"), _changes(found)))
    for line in _openings(found):
        for part in textwrap.wrap(line, console.width):
            console.print(part, markup=False)
    console.print(f"wrote {wish.out / 'probe.json'}", markup=False, soft_wrap=True)


def _shares(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for model, one in found["models"].items():
        for name, share in one["shares"].items():
            ends = f"{100 * share['low']:.1f} to {100 * share['high']:.1f}"
            yield model, name, f"{100 * share['value']:.1f}{_SPACE}%", ends, f"{share['n']:,}"


def _changes(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for model, one in found["changes"].items():
        for name, change in one.items():
            ends = f"{100 * change['low']:+.1f} to {100 * change['high']:+.1f}"
            yield model, name, f"{100 * change['difference']:+.1f}", ends, f"{change['p']:.2g}"


def _openings(found: Mapping[str, Any]) -> Iterator[str]:
    for model, one in found["models"].items():
        opening = one["opening"]
        if opening is not None and opening["boilerplate"]:
            share = f"{100 * opening['share']:.0f}{_SPACE}%"
            yield f"▼ {model}: {share} of the answers begin with “{opening['words']} ...”"


def _table(columns: tuple[str, ...], cells: Iterator[tuple[str, ...]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place > 1 else "left")
    for row in cells:
        table.add_row(*map(Text, row))
    return table
