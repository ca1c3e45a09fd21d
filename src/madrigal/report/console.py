"""The closing table in the terminal: the same numbers and the same verdict as the page."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from madrigal.report.folder import read_run
from madrigal.report.forgetting import Forgetting, forgetting
from madrigal.report.own_answers import rewarded
from madrigal.report.preferences import fallen
from madrigal.report.retention import stage_costs
from madrigal.report.scoreboard import FEW_SHOT, Scoreboard, read_scores
from madrigal.report.summary import TaskRow, columns, task_rows
from madrigal.report.verdict import headline, judgements
from madrigal.report.worst import worst_task

_STYLES = {"better": "bold green", "worse": "bold red", "unclear": "", "unknown": "dim"}


def closing_table(run: Path) -> RenderableType:
    """Tasks by models with the changes and their intervals, then the verdict in one sentence."""
    folder = read_run(run)
    board = read_scores(folder)
    if not board.tasks:
        return Text("No scores in this run.")
    told = forgetting(board, stage_costs(folder))
    liked = [Text(f"▼ {what} {cure.replace('`', '')}") for what, cure in fallen(folder, board)]
    paid = rewarded(folder.stages)
    return Group(
        _table(board),
        *_verdict(board),
        *(_forgotten(told) if told else ()),
        *liked,
        *([Text(paid)] if paid else ()),
        _key(),
    )


def _table(board: Scoreboard) -> Table:
    rows = task_rows(board)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("task", min_width=8, overflow="fold")
    # Short heads, two lines a row and no few-shot scores: the table fits into 80 columns.
    for row, title, _ in columns(board):
        if row != FEW_SHOT:
            table.add_column(title.removesuffix("-task"), justify="right")
    shown = _shown([title for title, _ in rows[0].changes])
    for title in shown:
        table.add_column(title.removeprefix("change ").removesuffix("-task"))
    table.add_column("n", justify="right")
    for row in rows:
        table.add_row(*_cells(row, shown))
    return table


def _shown(titles: Sequence[str]) -> Sequence[str]:
    """Two changes at most: the base model's scores stand in the table anyway."""
    return titles if len(titles) < 3 else [titles[0], titles[-1]]


def _cells(row: TaskRow, shown: Sequence[str]) -> list[Text]:
    metric = row.metric + (" ↓" if "lower is better" in row.note else "")
    below = metric + (f"\n{row.ceiling}" if row.ceiling else "")
    cells = [Text.assemble(row.name, "\n", (below, "dim"))]
    cells += [Text(cell.value) for key, _, cell in row.cells if key != FEW_SHOT]
    for title, change in row.changes:
        if title not in shown:
            continue
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
    return lines


def _forgotten(told: Forgetting) -> list[Text]:
    """Each task that was forgotten, how sure that is, and what to try first."""
    lines = [Text.assemble("▼ ", (one.task, "bold"), f" {one.said}") for one in told.lost]
    lines += [Text(said) for said in told.others]
    if told.attempts:
        first = told.attempts[0]
        lines.append(Text(f"Try {first.attempt.replace('`', '')}: {first.because}."))
    return lines


def _key() -> Text:
    return Text("▲ better  ▼ worse  ≈ no clear difference; below, the interval", style="dim")
