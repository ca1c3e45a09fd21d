"""Sections 1 and 3: the table of tasks, the strips at a glance, the matrix of stages and tasks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from madrigal.report import numbers, strip_figures
from madrigal.report.numbers import Interval
from madrigal.report.remembered import remembered
from madrigal.report.scoreboard import (
    BASE,
    FEW_SHOT,
    SINGLE,
    Difference,
    Scoreboard,
    TaskScores,
)
from madrigal.report.verdict import OUTCOME_WORDS, SIGNS, against_of

LEARNT = "change since learnt"


@dataclass(frozen=True, slots=True)
class Cell:
    """A score as two lines: the value, and its interval in small type."""

    value: str
    range: str
    shade: int = 0  # 0 (worst) to STEPS - 1 (best)
    learnt: bool = False
    sort: float = -math.inf
    beside: str = ""  # bits per byte of a perplexity


@dataclass(frozen=True, slots=True)
class Change:
    """A difference ready to be shown: bar, number, words."""

    figure: Markup
    value: str
    range: str
    outcome: str
    words: str
    hint: str  # p, and what so many examples can show
    sort: float


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One line of the table of tasks."""

    name: str
    metric: str
    note: str
    cells: tuple[tuple[str, str, Cell], ...]  # column key, column title, cell
    changes: tuple[tuple[str, Change | None], ...]  # column title, change
    n: int | None
    unparsed: int  # outputs of the trained model that could not be read as an answer
    ceiling: str = ""  # what a perfect model could reach, where people differ


def columns(board: Scoreboard) -> tuple[tuple[str, str, str], ...]:
    """(row of the matrix, title, colour) of the models that the summary compares."""
    found = [(BASE, "base", "base")] if any(BASE in task.scores for task in board.tasks) else []
    if FEW_SHOT in board.rows:
        found.append((FEW_SHOT, "base, few-shot", "few"))
    if board.has_single:
        found.append((SINGLE, "single-task", "single"))
    if board.last:
        found.append((board.last, "multi-task", "multi"))
    return tuple(found)


def task_rows(board: Scoreboard) -> tuple[TaskRow, ...]:
    """The table of tasks."""
    compared = _compared(board)
    return tuple(_task_row(board, task, compared) for task in board.tasks)


Compared = Sequence[tuple[str, Mapping[str, Difference]]]  # title, differences by task


def _compared(board: Scoreboard) -> Compared:
    """What the trained model is held against, as far as any task has it."""
    found: list[tuple[str, Mapping[str, Difference]]] = [
        (LEARNT, {one.task.name: one.change for one in remembered(board)})
    ]
    for against, title in ((BASE, "change from base"), (SINGLE, "change from single-task")):
        pairs = ((task.name, against_of(task, against)) for task in board.tasks)
        found.append((title, {name: change for name, change in pairs if change}))
    return [(title, changes) for title, changes in found if changes]


def _task_row(board: Scoreboard, task: TaskScores, compared: Compared) -> TaskRow:
    cells = [(row, title, _summary_cell(board, task, row)) for row, title, _ in columns(board)]
    changes = [
        (title, _change(task, found.get(task.name), _limit(board, found)))
        for title, found in compared
    ]
    notes = []
    if task.lower_is_better:
        notes.append("lower is better")
    elif task.chance:
        notes.append(f"chance {numbers.plain(task.chance, task.metric)}{numbers.unit(task.metric)}")
    if task.ceiling:
        notes.append(task.ceiling)
    if task.watched:
        notes.append("watched, not trained")
    return TaskRow(
        name=task.name,
        metric=numbers.metric_name(task.metric),
        note=", ".join(notes),
        cells=tuple(cells),
        changes=tuple(changes),
        n=task.n,
        unparsed=task.unparsed.get(board.last or "", 0),
        ceiling=task.ceiling,
    )


def _summary_cell(board: Scoreboard, task: TaskScores, row: str) -> Cell:
    cell = score_cell(board.score(task, row), task)
    bits = board.bits_per_byte(task, row)
    return cell if bits is None else replace(cell, beside=f"{bits:.2f} bits/byte")


def score_cell(
    value: Interval | None, task: TaskScores, shade: int = 0, learnt: bool = False
) -> Cell:
    """A score as text; a dash where there is none."""
    if value is None:
        return Cell(numbers.DASH, "", 0, learnt)
    shown = numbers.plain(value.value, task.metric) + numbers.unit(task.metric)
    bracket = numbers.score_range(value, task.metric).strip(" ()")
    return Cell(shown, bracket, shade, learnt, value.value)


def _change(task: TaskScores, difference: Difference | None, limit: float) -> Change | None:
    if difference is None:
        return None
    value = difference.interval
    if numbers.has_own_scale(task.metric):
        limit = _reach(value)
    words = OUTCOME_WORDS[difference.settled]
    if difference.alone:
        words += f" after correction (alone: {OUTCOME_WORDS[difference.outcome]})"
    text = f"{task.name}: {numbers.difference(value, task.metric)}, {words}"
    gain = -value.value if task.lower_is_better else value.value
    return Change(
        figure=strip_figures.interval_bar(
            value, difference.settled, limit, text, mirrored=task.lower_is_better
        ),
        value=numbers.signed(value.value, task.metric),
        range=numbers.difference_range(value, task.metric).strip(" ()"),
        outcome=difference.settled,
        words=f"{SIGNS[difference.settled]} {words}",
        hint=_hint(task, difference),
        sort=gain,
    )


def _hint(task: TaskScores, difference: Difference) -> str:
    parts = [difference.p_words] if difference.p_words else []
    if difference.detectable is not None:
        least = numbers.plain(difference.detectable, task.metric)
        parts.append(f"so many examples show a true difference of {least} four times in five")
    return "; ".join(parts)


def _limit(board: Scoreboard, changes: Mapping[str, Difference]) -> float:
    """How far the bars of a column have to reach."""
    shared = [task.name for task in board.tasks if not numbers.has_own_scale(task.metric)]
    reaches = [_reach(changes[name].interval) for name in shared if name in changes]
    return max(reaches, default=1.0)


def _reach(value: Interval) -> float:
    ends = [abs(end) for end in (value.value, value.low, value.high) if end is not None]
    return max(ends) * 1.05 or 1.0
