"""What the screen of `madrigal curate review` shows of a record."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from madrigal.curation.beside import Piece, apart
from madrigal.curation.meaning import MEANINGS
from madrigal.curation.queue import Case
from madrigal.curation.reading import raw_row
from madrigal.curation.review import Decisions
from madrigal.errors import DataError

HELP = "k keep as it is, d drop, f fix in $EDITOR, l another label, u undo, s skip, b back, q quit"
_STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}
_MOST = 1500  # characters of a field
_LINES = 12  # kept for heads, findings and keys


def screen(
    cases: Sequence[Case], at: int, decisions: Decisions, said: str, console: Console
) -> RenderableType:
    """The record, what was found about it, the one it is compared with, and the keys."""
    case = cases[at]
    decided = sum(one.place in decisions for one in cases)
    head = Text.assemble(
        (f"{at + 1} of {len(cases)}", "bold"),
        f"  {_plain(case.findings[0].where)}  {case.source.task}",
        (f"  {decided} decided", "dim"),
    )
    parts: list[RenderableType] = [head, Text("")]
    parts += _findings(case)
    parts.append(Text(""))
    parts.append(_record(case, max(200, console.width * (console.height - _LINES) // 2)))
    made = decisions.now().get(case.place)
    if made is not None:
        parts.append(Text(f"decided: {made.action}", style="bold green"))
    parts += [Text(""), Text(_plain(said), style="yellow") if said else Text("")]
    parts.append(Text(HELP.replace(", ", "  "), style="reverse"))
    return Group(*parts)


def _findings(case: Case) -> Iterator[Text]:
    for one in case.findings[:4]:
        line = Text.assemble(
            ("▼ " if one.severity != "note" else "· ", _STYLES[one.severity]),
            (MEANINGS[one.check].title, "bold"),
            f"  {_plain(one.evidence)}",
        )
        if one.other:
            line.append(f"  (beside {_plain(one.other)})", style="dim")
        if one.instead:
            line.append(f"  → l: {_plain(one.instead)}", style="green")
        yield line


def _record(case: Case, most: int) -> RenderableType:
    """The row, field by field; beside it the other one, with what tells them apart marked."""
    other = next(
        (case.others[one.other] for one in case.findings if one.other in case.others), None
    )
    try:
        mine = dict(raw_row(case.item, case.source.name).values)
        beside = None if other is None else dict(raw_row(other, case.source.name).values)
    except DataError:
        line = case.item.line or b""
        return Text(_plain(line[:most].decode("utf-8", "replace")))
    table = Table(box=None, pad_edge=False, show_header=beside is not None, expand=True)
    table.add_column(style="cyan", no_wrap=True, max_width=18)
    names = ["this record", "" if other is None else _plain(other.where)]
    for name in names[: 1 if beside is None else 2]:
        table.add_column(Text(name, style="dim"), overflow="fold", ratio=1)
    for name in dict.fromkeys([*mine, *(beside or ())]):
        cells = _cells(name, mine, beside, min(most, _MOST))
        table.add_row(Text(_plain(str(name))), *cells)
    return table


def _cells(
    name: str, mine: Mapping[str, Any], beside: Mapping[str, Any] | None, most: int
) -> list[Text]:
    one = _said(mine.get(name, ""))
    if beside is None:
        return [Text(_plain(one if len(one) <= most else f"{one[:most]} …"))]
    pieces = apart(one, _said(beside.get(name, "")))
    return [_marked(some) for some in pieces]


def _marked(pieces: Sequence[Piece]) -> Text:
    text = Text()
    for words, mark in pieces:
        text.append(_plain(words), style="black on yellow" if mark else "")
    return text


def _said(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _plain(text: str) -> str:
    """Nothing that a terminal obeys; line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)
