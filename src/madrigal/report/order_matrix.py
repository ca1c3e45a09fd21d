"""The score matrix of a sequence as a heat map: stages down, tasks across, to be read both ways."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from madrigal.evaluation.plan import ROUTED
from madrigal.report import numbers
from madrigal.report.differences import Difference
from madrigal.report.numbers import Interval
from madrigal.report.remembered import Move, Remembered, mean_of, remembered, row_to_row, taught_in
from madrigal.report.scoreboard import BASE, FEW_SHOT, SINGLE, Scoreboard, TaskScores, label
from madrigal.report.stage_matrix import shade
from madrigal.report.summary import Cell, score_cell

State = Literal["taught", "known", "ahead", "watched", "alone", "unseen"]

_WIDE = 8  # tasks beside each other with their intervals
SIGNS = {"better": "▲", "worse": "▼"}
_WORDS = {
    "taught": "trained in this stage",
    "known": "taught earlier",
    "ahead": "not learnt yet",
    "watched": "never trained",
    "alone": "",
    "unseen": "not evaluated",
}


@dataclass(frozen=True, slots=True)
class Square:
    """One score. `move` is a sure change against the last row that evaluated the task."""

    cell: Cell
    state: State
    move: str = ""  # ▼ −38.8
    outcome: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the matrix. `mean` is over the tasks taught so far, where they share a scale."""

    title: str
    kind: str  # stage, before (base, few-shot) or after (single-task models)
    squares: tuple[Square, ...]
    mean: str
    range: str


@dataclass(frozen=True, slots=True)
class Since:
    """The foot of a column: the change since the task was taught last."""

    text: str
    range: str
    outcome: str
    words: str


@dataclass(frozen=True, slots=True)
class OrderMatrix:
    """`columns` are (task, metric, general); `general` counts those that were only watched."""

    columns: tuple[tuple[str, str, bool], ...]
    lines: tuple[Line, ...]
    since: tuple[Since, ...]
    general: int

    @property
    def dense(self) -> bool:
        """Whether intervals have to be left to the pointer, so that the columns fit."""
        return len(self.columns) > _WIDE


def order_matrix(board: Scoreboard) -> OrderMatrix | None:
    """Tasks in the order of teaching, general tasks behind them; None unless tasks came in turn."""
    found = remembered(board)
    if not found:
        return None
    order = list(taught_in(board))
    trained = sorted(
        (t for t in board.tasks if not t.watched),
        key=lambda task: order.index(task.name) if task.name in order else len(order),
    )
    watched = [task for task in board.tasks if task.watched]
    tasks = [*trained, *watched]
    moves = {(name, move.after): move for name, some in row_to_row(board).items() for move in some}
    rows = [*board.rows, *([SINGLE] if board.has_single else [])]
    lines = [_line(board, row, tasks, moves) for row in rows]
    return OrderMatrix(
        columns=tuple((t.name, t.judged, t.watched) for t in tasks),
        lines=tuple(lines),
        since=tuple(_since(task, found) for task in tasks),
        general=len(watched),
    )


def _line(
    board: Scoreboard,
    row: str,
    tasks: Sequence[TaskScores],
    moves: Mapping[tuple[str, str], Move],
) -> Line:
    kind = "before" if row in (BASE, FEW_SHOT) else "stage" if row in board.stages else "after"
    squares = [_square(board, row, task, moves.get((task.name, row))) for task in tasks]
    mean = _mean(board, row, tasks) if kind == "stage" else None
    return Line(
        title=f"after {label(row)}" if kind == "stage" else label(row),
        kind=kind,
        squares=tuple(squares),
        mean=numbers.plain(mean.value, "") if mean else "",
        range=numbers.score_range(mean, "").strip(" ()") if mean else "",
    )


def _square(board: Scoreboard, row: str, task: TaskScores, move: Move | None) -> Square:
    value = board.score(task, row)
    cell = score_cell(value, task, shade(task, value))
    state = _state(board, row, task, value)
    if move is None or not move.change.clear:
        return Square(cell, state, hint=_hint(cell, _WORDS[state]))
    change = move.change
    told = numbers.difference(change.interval, task.metric)
    hint = _hint(cell, f"{told} against {label(move.before)}")
    return Square(
        cell,
        state,
        move=f"{SIGNS[change.settled]} {numbers.signed(change.interval.value, task.metric)}",
        outcome=change.settled,
        hint=f"{hint}, {change.p_words}" if change.p_words else hint,
    )


def _hint(cell: Cell, words: str) -> str:
    """What hovering tells: the score with its interval, then the words."""
    score = f"{cell.value} ({cell.range})" if cell.range else ""
    return "; ".join(part for part in (score, words) if part)


def _state(board: Scoreboard, row: str, task: TaskScores, value: Interval | None) -> State:
    if value is None:
        return "unseen"
    if task.watched:
        return "watched"
    if row not in board.stages:
        known = row.endswith(ROUTED) or (row == BASE and task.name in board.before)
        return "known" if known else "alone" if row == SINGLE else "ahead"
    if task.name in board.learned.get(row, ()):
        return "taught"
    return "known" if task.name in _so_far(board, row) else "ahead"


def _so_far(board: Scoreboard, row: str) -> set[str]:
    """Tasks that were taught up to and with a stage."""
    upto = board.stages[: board.stages.index(row) + 1]
    return {*board.before, *(task for stage in upto for task in board.learned.get(stage, ()))}


def _mean(board: Scoreboard, row: str, tasks: Sequence[TaskScores]) -> Interval | None:
    known = _so_far(board, row)
    values = [
        task.scores.get(row)
        for task in tasks
        if task.name in known and not numbers.has_own_scale(task.metric)
    ]
    there = [value for value in values if value is not None]
    return mean_of(there) if len(there) == len(values) else None


def _since(task: TaskScores, found: Sequence[Remembered]) -> Since:
    one = next((one for one in found if one.task.name == task.name), None)
    if one is None:
        return Since("", "", "", "")
    change: Difference = one.change
    words = {"unclear": "not sure", "unknown": "no interval"}.get(one.fate, one.fate)
    sign = SIGNS.get(change.settled, "")
    return Since(
        text=f"{sign} {numbers.signed(change.interval.value, task.metric)}".strip(),
        range=numbers.difference_range(change.interval, task.metric).strip(" ()"),
        outcome=change.settled,
        words=words,
    )
