"""Every task at a glance: strips of dots over a common axis."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from madrigal.report import numbers, strip_figures
from madrigal.report.scoreboard import Scoreboard, TaskScores
from madrigal.report.strip_figures import Dot
from madrigal.report.summary import columns


@dataclass(frozen=True, slots=True)
class Strips:
    """Tasks that share a scale, as strips of dots over one axis."""

    note: str
    rows: tuple[tuple[str, str, Markup], ...]  # task, metric, strip
    axis: Markup


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
            (task.name, numbers.metric_name(task.metric), strip_figures.dot_strip(dots, low, high))
        )
    return Strips(note, tuple(rows), strip_figures.strip_axis(low, high))
