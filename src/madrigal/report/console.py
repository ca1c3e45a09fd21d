"""The closing table in the terminal: the same numbers and the same verdict as the page."""

from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from madrigal.report.folder import read_run
from madrigal.report.scoreboard import FEW_SHOT, Scoreboard, read_scores
from madrigal.report.summary import TaskRow, columns, task_rows
from madrigal.report.verdict import headline, judgements
from madrigal.report.worst import worst_task

_STYLES = {"better": "bold green", "worse": "bold red", "unclear": "", "unknown": "dim"}


def closing_table(run: Path) -> RenderableType:
    """Tasks by models with the changes and their intervals, then the verdict in one sentence."""
    board = read_scores(read_run(run))
    if not board.tasks:
        return Text("No scores in this run.")
    return Group(_table(board), *_verdict(board))


def _table(board: Scoreboard) -> Table:
    rows = task_rows(board)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("task", min_width=8, overflow="fold")
    # Short heads, two lines a row and no few-shot scores: the table fits into 80 columns.
    for row, title, _ in columns(board):
        if row != FEW_SHOT:
            table.add_column(title.removesuffix("-task"), justify="right")
    for title, _ in rows[0].changes:
        table.add_column(title.removeprefix("change ").removesuffix("-task"))
    table.add_column("n", justify="right")
    for row in rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: TaskRow) -> list[Text]:
    metric = row.metric + (" ↓" if "lower is better" in row.note else "")
    cells = [Text.assemble(row.name, "\n", (metric, "dim"))]
    cells += [Text(cell.value) for key, _, cell in row.cells if key != FEW_SHOT]
    for _, change in row.changes:
        if change is None:
            cells.append(Text("–", style="dim"))
            continue
        sign = change.words.partition(" ")[0]
        value = (f"{sign} {change.value}", _STYLES[change.outcome])
        cells.append(Text.assemble(value, "\n", (change.range, "dim")))
    return [*cells, Text("" if row.n is None else f"{row.n:,}", style="dim")]


def _verdict(board: Scoreboard) -> list[Text]:
    found = judgements(board)
    lines = [Text(""), Text(headline(found), style="bold")]
    worst = worst_task(board)
    if worst:
        lines.append(Text(worst.sentence))
    lines.append(Text("▲ better  ▼ worse  ≈ no clear difference; below, the interval", style="dim"))
    return lines
