"""Sections 1 and 3: the table of tasks, the strips at a glance, the matrix of stages and tasks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from madrigal.report import figures, numbers
from madrigal.report.figures import Dot
from madrigal.report.numbers import Interval
from madrigal.report.scoreboard import (
    BASE,
    FEW_SHOT,
    SINGLE,
    Difference,
    Scoreboard,
    TaskScores,
    interval_of,
    label,
)
from madrigal.report.verdict import OUTCOME_WORDS, SIGNS, against_of

STEPS = 9  # shades of the heat map


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


@dataclass(frozen=True, slots=True)
class Strips:
    """Tasks that share a scale, as strips of dots over one axis."""

    note: str
    rows: tuple[tuple[str, str, Markup], ...]  # task, metric, strip
    axis: Markup


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
    limits = {against: _limit(board, against) for against in (BASE, SINGLE)}
    return tuple(_task_row(board, task, limits) for task in board.tasks)


def _task_row(board: Scoreboard, task: TaskScores, limits: dict[str, float]) -> TaskRow:
    cells = [(row, title, _summary_cell(board, task, row)) for row, title, _ in columns(board)]
    changes = []
    for against, title in ((BASE, "change from base"), (SINGLE, "change from single-task")):
        if any(against_of(other, against) for other in board.tasks):
            changes.append((title, _change(task, against_of(task, against), limits[against])))
    notes = []
    if task.lower_is_better:
        notes.append("lower is better")
    elif task.chance:
        notes.append(f"chance {numbers.plain(task.chance, task.metric)}{numbers.unit(task.metric)}")
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
    )


def _summary_cell(board: Scoreboard, task: TaskScores, row: str) -> Cell:
    cell = _cell(board.score(task, row), task)
    bits = board.bits_per_byte(task, row)
    return cell if bits is None else replace(cell, beside=f"{bits:.2f} bits/byte")


def _cell(value: Interval | None, task: TaskScores, shade: int = 0, learnt: bool = False) -> Cell:
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
        figure=figures.interval_bar(
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


def _limit(board: Scoreboard, against: str) -> float:
    reaches = [
        _reach(difference.interval)
        for task in board.tasks
        if (difference := against_of(task, against)) and not numbers.has_own_scale(task.metric)
    ]
    return max(reaches, default=1.0)


def _reach(value: Interval) -> float:
    ends = [abs(end) for end in (value.value, value.low, value.high) if end is not None]
    return max(ends) * 1.05 or 1.0


def strips(board: Scoreboard) -> tuple[Strips, ...]:
    """One group for the tasks on 0 to 100, one for each task with a scale of its own."""
    common = [task for task in board.tasks if not numbers.has_own_scale(task.metric)]
    own = [task for task in board.tasks if numbers.has_own_scale(task.metric)]
    groups = [_strips(board, common, 0.0, 100.0, "0 to 100, higher is better")] if common else []
    for task in own:
        values = [v for row, _, _ in columns(board) if (v := board.score(task, row))]
        ends = [e for v in values for e in (v.value, v.low, v.high) if e is not None]
        if ends:
            margin = 0.05 * (max(ends) - min(ends)) or 1.0
            direction = "lower" if task.lower_is_better else "higher"
            low, high = min(ends) - margin, max(ends) + margin
            groups.append(_strips(board, [task], low, high, f"own scale, {direction} is better"))
    return tuple(groups)


def _strips(
    board: Scoreboard, tasks: Sequence[TaskScores], low: float, high: float, note: str
) -> Strips:
    rows = []
    for task in tasks:
        dots = [
            Dot(
                title,
                colour,
                v.scaled(numbers.scaled(1.0, task.metric)),
                numbers.score(v, task.metric),
            )
            for row, title, colour in columns(board)
            if (v := board.score(task, row))
        ]
        rows.append(
            (task.name, numbers.metric_name(task.metric), figures.dot_strip(dots, low, high))
        )
    return Strips(note, tuple(rows), figures.strip_axis(low, high))


@dataclass(frozen=True, slots=True)
class Matrix:
    """Tasks down, stages across; single-task models apart on the right."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Cell, ...]], ...]  # task, metric, cells
    has_single: bool


def matrix(board: Scoreboard, learnt: Mapping[str, Sequence[str]]) -> Matrix | None:
    """The heat map, or None where there are no rows. `learnt`: tasks by stage."""
    if not board.rows:
        return None
    across = (*board.rows, SINGLE) if board.has_single else board.rows
    titles = [label(row) if row not in board.stages else f"after {label(row)}" for row in across]
    rows = []
    for task in board.tasks:
        cells = tuple(
            _cell(value, task, _shade(task, value), task.name in learnt.get(row, ()))
            for row in across
            for value in (board.score(task, row),)
        )
        rows.append((task.name, numbers.metric_name(task.metric), cells))
    return Matrix(tuple(titles), tuple(rows), board.has_single)


def _shade(task: TaskScores, value: Interval | None) -> int:
    """How far from chance (or from the worst perplexity seen) to the best there can be (or was)."""
    if value is None:
        return 0
    if numbers.has_own_scale(task.metric):
        seen = [v.value for v in (*task.scores.values(), task.single) if v and v.value > 0]
        worst, best = math.log(max(seen)), math.log(min(seen))
        # A spread below a factor of 1.5 is little: it must not fill the whole range of shades.
        best = min(best, worst - math.log(1.5))
        share = (worst - math.log(max(value.value, 1e-9))) / (worst - best)
    else:
        chance = task.chance or 0.0
        share = (value.value - chance) / max(1.0 - chance, 1e-9)
    return round(min(max(share, 0.0), 1.0) * (STEPS - 1))


_MEASURES = {
    "average": ("Average", "mean over trained tasks of the last score"),
    "learning_accuracy": (
        "Learning accuracy",
        "mean over trained tasks of the score after the last stage that trains them",
    ),
    "bwt": ("Backward transfer", "mean change of earlier tasks since they were trained"),
    "fwt": ("Forward transfer", "mean gain of later tasks before they were trained"),
    "forgetting": ("Forgetting", "mean of the best score since trained minus the last"),
    "forgetting_any": ("Forgetting, base included", "mean of the best score ever minus the last"),
    "plasticity_gap": ("Plasticity gap", "mean of the score when learnt minus the single-task one"),
    "general_change": ("General ability", "mean change of the general tasks since the base model"),
}
_LEVELS = ("average", "learning_accuracy")  # the others are differences, shown with their sign


def measures(board: Scoreboard) -> tuple[tuple[str, str, str], ...]:
    """(name, value with interval in points, definition) of what the summary says of the stages."""
    found = []
    for key, (name, words) in _MEASURES.items():
        value = interval_of(board.summary.get(key))
        if value is not None:
            shown = numbers.score(value, "")
            if key not in _LEVELS:
                shown = numbers.signed(value.value, "") + numbers.difference_range(value, "")
            found.append((name, shown, board.definitions.get(key, words)))
    return tuple(found)
