"""What curation found, for the terminal and as a page."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from madrigal.curation.curate import Curated
from madrigal.curation.fields import lines as field_lines
from madrigal.curation.groups import line

_EXAMPLES = 2
_MARKS = {"error": ("▼", "bold red"), "warning": ("▼", "yellow"), "note": ("·", "dim")}
_ORDER = ("error", "warning", "note")


def view(found: Curated, width: int) -> Group:
    """A table a task, the gravest first, each finding with where it stands."""
    parts = [part for card in found.cards.values() for part in _card(card, width)]
    parts += [Text(note, style="dim") for note in found.notes]
    return Group(*parts)


def _card(card: Mapping[str, Any], width: int) -> Iterator[Text | Table]:
    yield Text.from_markup(f"[bold]{escape(card['task'])}[/bold]: {escape(_head(card))}")
    found = _ranked(card)
    yield from (Text(f"  {told}", style="dim") for told in _lines(card))
    if not found:
        yield Text("  nothing found\n", style="dim")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for worst, one in found:
        mark, style = _MARKS[worst]
        count = f"{one['records']:,}" if one["records"] else ""
        table.add_row(Text(mark, style=style), Text(count), Text(f"{one['title']}: {one['harm']}"))
        for example in one["examples"][:_EXAMPLES]:
            text = textwrap.shorten(_told(example), max(40, 2 * width), placeholder=" …")
            table.add_row("", "", Text(text, style="dim"))
    yield table
    yield Text("")


def _head(card: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{n:,} {split}" for split, n in card["records"].items() if n)
    rows = "row" if card["unreadable"] == 1 else "rows"
    unread = f", {card['unreadable']:,} {rows} unreadable" if card["unreadable"] else ""
    copies = "copy" if card["copies"] == 1 else "copies"
    marked = f", {card['copies']:,} marked {copies} among them" if card["copies"] else ""
    return f"{card['format']}, {counts or 'no records'}{marked}{unread}"


def _lines(card: Mapping[str, Any]) -> list[str]:
    """How far the data are apart, who occurs in them, and what rows say of themselves."""
    who = line(card["groups"], sum(card["records"].values()))
    given = field_lines(card["fields"])
    return [*(one["line"] for one in card["shift"]), *([who] if who else []), *given]


def _ranked(card: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """What was found with its worst severity, the gravest and most frequent first."""
    found = [
        (next(s for s in _ORDER if s in one["severities"]), one) for one in card["found"].values()
    ]
    return sorted(found, key=lambda pair: (_ORDER.index(pair[0]), -pair[1]["records"]))


def _told(example: Mapping[str, Any]) -> str:
    other = f" (as {_place(example['other'])})" if example.get("other") else ""
    return f"{_place(example['where'])}{other}: {example['evidence']}"


def _place(where: str) -> str:
    """Without the folders, but the last."""
    return "/".join(where.split("/")[-2:])


def cards_markdown(found: Curated) -> str:
    """All cards as a page."""
    lines = ["# What was found in the data", ""]
    for card in found.cards.values():
        lines += [
            f"## {card['task']}",
            "",
            f"{_head(card)}. Files: {', '.join(card['files'])}.",
            "",
        ]
        lines += [*(f"- {_inert(told)}" for told in _lines(card)), ""]
        ranked = _ranked(card)
        if not ranked:
            lines += ["Nothing found.", ""]
            continue
        lines += ["| severity | found | records | share | what it does | what helps |"]
        lines += ["|---|---|---|---|---|---|"]
        for worst, one in ranked:
            share = f"{one['share']:.2%}" if one["records"] else ""
            count = f"{one['records']:,}" if one["records"] else ""
            cells = (worst, one["title"], count, share, one["harm"], one["cure"])
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
        for _, one in ranked:
            lines += [f"**{one['title']}**", ""]
            lines += [f"- {_inert(_told(example))}" for example in one["examples"]]
            lines.append("")
    return "\n".join(lines)


def _inert(text: str) -> str:
    """Text that no reader of Markdown takes for markup."""
    longest = max((len(run) for run in text.split() if set(run) == {"`"}), default=0)
    fence = "`" * max(2, longest + 1)
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"
