"""The score matrix as a heat map, tasks down and stages across; and the measures over stages."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from madrigal.report import numbers
from madrigal.report.differences import interval_of
from madrigal.report.numbers import Interval
from madrigal.report.scoreboard import SINGLE, Scoreboard, TaskScores, label
from madrigal.report.summary import Cell, score_cell

STEPS = 9  # shades of the heat map


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
            score_cell(value, task, shade(task, value), task.name in learnt.get(row, ()))
            for row in across
            for value in (board.score(task, row),)
        )
        rows.append((task.name, task.judged, cells))
    return Matrix(tuple(titles), tuple(rows), board.has_single)


def shade(task: TaskScores, value: Interval | None) -> int:
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
    "intransigence": ("Intransigence", "mean of the single-task score minus the score when learnt"),
    "general_change": ("General ability", "mean change of the general tasks since the base model"),
}
_LEVELS = ("average", "learning_accuracy")  # the others are differences, shown with their sign


def measures(board: Scoreboard) -> tuple[tuple[str, str, str], ...]:
    """(name, value with interval in points, definition) of what the summary says of the stages."""
    found = []
    # Of a sequence the gap to single-task models is told once, with the sign of intransigence.
    twice = "plasticity_gap" if interval_of(board.summary.get("intransigence")) else ""
    for key, (name, words) in _MEASURES.items():
        if key == twice:
            continue
        value = interval_of(board.summary.get(key))
        if value is not None:
            shown = numbers.score(value, "")
            if key not in _LEVELS:
                shown = numbers.signed(value.value, "") + numbers.difference_range(value, "")
            definition = board.definitions.get(key, words)
            found.append((name, shown, re.sub(r"^version \d+: ", "", definition)))
    return (*found, *_router(board))


def _router(board: Scoreboard) -> Iterator[tuple[str, str, str]]:
    """What share of each task's prompts found their part without being told the task."""
    shares = numbers.mapping(numbers.mapping(board.summary.get("router")).get(board.last or ""))
    told = [
        f"{task} {numbers.score(share, '')}"
        for task, value in shares.items()
        if (share := interval_of(value)) is not None
    ]
    if told:
        words = "share of a task's test prompts that the router sent to its own part, by task"
        yield "Routed right", "; ".join(told), words
