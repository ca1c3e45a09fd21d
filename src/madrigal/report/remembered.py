"""What became of each earlier task: forgotten, helped, kept, or not sure, from the stored tests."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from madrigal.evaluation.intervals import alpha_of
from madrigal.report import numbers
from madrigal.report.differences import Difference, read_difference
from madrigal.report.numbers import Interval, mapping
from madrigal.report.scoreboard import BASE, Scoreboard, TaskScores

Fate = Literal["forgotten", "helped", "kept", "unclear", "unknown"]

MARGIN = 0.05  # a task is kept where its interval leaves out a loss of more than this
FATES = ("forgotten", "helped", "kept", "unclear", "unknown")


@dataclass(frozen=True, slots=True)
class Move:
    """A task's change from one row of the matrix to a later one."""

    before: str
    after: str
    change: Difference


@dataclass(frozen=True, slots=True)
class Remembered:
    """A task that an earlier stage taught last, and how it stands at the end.

    `since` are the stages after that, `losses` its sure losses from row to row in them.
    """

    task: TaskScores
    taught: str
    change: Difference
    fate: Fate
    since: tuple[str, ...]
    losses: tuple[Move, ...]


def remembered(board: Scoreboard) -> tuple[Remembered, ...]:
    """Every task that was taught and that the last stage does not train, in the order of teaching.

    Empty for a run in which nothing came after anything.
    """
    moves = row_to_row(board)
    found = []
    for name, taught in taught_in(board).items():
        task = next((task for task in board.tasks if task.name == name), None)
        if task is None or taught == board.last:
            continue
        change = _since(board, task, taught)
        if change is not None:
            since = _after(board, taught)
            losses = [m for m in moves.get(name, ()) if m.after in since]
            sure = tuple(m for m in losses if m.change.settled == "worse")
            fate = _fate(board, task, change)
            found.append(Remembered(task, taught, change, fate, tuple(since), sure))
    return tuple(found)


def taught_in(board: Scoreboard) -> dict[str, str]:
    """The row after which each task had been taught last, in the order in which tasks came in."""
    found = dict.fromkeys(board.before, BASE) if board.stages else {}
    for stage in board.stages:
        found |= dict.fromkeys(board.learned.get(stage, ()), stage)
    return found


def row_to_row(board: Scoreboard) -> Mapping[str, tuple[Move, ...]]:
    """The changes of each task from row to row, as `stage_to_stage` of the summary has them."""
    stored = {
        str(task): [mapping(one) for one in moves]
        for task, moves in mapping(board.summary.get("stage_to_stage")).items()
        if isinstance(moves, list)
    }
    family = sum(len(moves) for moves in stored.values())
    found = {}
    for task in board.tasks:
        read = [_move(board, task, one, family) for one in stored.get(task.name, ())]
        found[task.name] = tuple(move for move in read if move)
    return found


def _move(board: Scoreboard, task: TaskScores, one: Mapping[str, Any], family: int) -> Move | None:
    change = read_difference(one, None, None, task.lower_is_better, alpha_of(board.level))
    if change is None or "from" not in one or "to" not in one:
        return None
    return Move(str(one["from"]), str(one["to"]), replace(change, family=family))


def _since(board: Scoreboard, task: TaskScores, taught: str) -> Difference | None:
    """The last row against the one after which the task had been taught, as stored or bare."""
    stored = mapping(board.summary.get("since_learned"))
    before, after = task.scores.get(taught), task.scores.get(board.last or "")
    alpha = alpha_of(board.level)
    found = read_difference(stored.get(task.name), before, after, task.lower_is_better, alpha)
    return found and replace(found, family=max(1, len(stored)))


def _after(board: Scoreboard, taught: str) -> Sequence[str]:
    place = board.stages.index(taught) + 1 if taught in board.stages else 0
    return board.stages[place:]


def _fate(board: Scoreboard, task: TaskScores, change: Difference) -> Fate:
    if change.settled == "worse":
        return "forgotten"
    if change.settled == "better":
        return "helped"
    if change.settled == "unknown":
        return "unknown"
    return "kept" if _largest_loss(board, task, change) < MARGIN else "unclear"


def _largest_loss(board: Scoreboard, task: TaskScores, change: Difference) -> float:
    """The largest loss that the interval allows; of a perplexity by its ratio."""
    if not numbers.has_own_scale(task.metric):
        return math.inf if change.interval.low is None else -change.interval.low
    stored = mapping(mapping(board.summary.get("since_learned")).get(task.name)).get("ratio")
    high = numbers.number(stored[-1]) if isinstance(stored, list) and stored else None
    return math.inf if high is None else high - 1


def mean_of(values: Sequence[Interval]) -> Interval | None:
    """Mean over tasks; distances to the ends in quadrature, as tasks are drawn independently."""
    if not values:
        return None
    middle = sum(value.value for value in values) / len(values)
    down = [v.value - v.low for v in values if v.low is not None]
    up = [v.high - v.value for v in values if v.high is not None]
    if len(down) < len(values) or len(up) < len(values):
        return Interval(middle)
    low, high = (math.hypot(*ends) / len(values) for ends in (down, up))
    return Interval(middle, middle - low, middle + high)
