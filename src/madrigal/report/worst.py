"""The task to look at first: the one that lost most, or else gained least."""

from collections.abc import Sequence
from dataclasses import dataclass

from madrigal.report import numbers
from madrigal.report.numbers import counted
from madrigal.report.scoreboard import BASE, SINGLE, Difference, Scoreboard, TaskScores
from madrigal.report.verdict import OUTCOME_WORDS, against_of

_TIE = 1e-9  # percent: what rounding leaves between equal gains


@dataclass(frozen=True, slots=True)
class WorstTask:
    """The task to look at first."""

    task: TaskScores
    against: str  # base | single
    difference: Difference
    sentence: str


@dataclass(frozen=True, slots=True)
class _Ranked:
    rank: int
    gain: float  # relative, in percent
    task: TaskScores
    against: str
    difference: Difference


def worst_task(board: Scoreboard) -> WorstTask | None:
    """The task to look at first: one that got worse, else the one that gained least.

    Each task is held against its single-task model, or against the base model where it has none.
    None where no task is better or worse for certain, or where several gained equally little; of
    several that lost equally much all are named.
    """
    ranked = [entry for task in board.tasks if (entry := _ranked(board, task))]
    if len(board.tasks) < 2 or not any(entry.difference.clear for entry in ranked):
        return None
    first = min(ranked, key=lambda entry: (entry.rank, entry.gain))
    equal = [e for e in ranked if e.rank == first.rank and abs(e.gain - first.gain) <= _TIE]
    task, against, difference = first.task, first.against, first.difference
    if len(equal) == 1:
        sentence = _worst_sentence(board, task, against, difference)
    elif difference.settled == "worse":
        sentence = _tied_sentence(equal)
    else:
        return None
    return WorstTask(task, against, difference, sentence)


def _ranked(board: Scoreboard, task: TaskScores) -> _Ranked | None:
    against = SINGLE if task.from_single else BASE
    difference = against_of(task, against)
    if difference is None:
        return None
    # A task that was only watched is no trained task's equal unless it got worse.
    rank = 0 if difference.settled == "worse" else 1 if against == SINGLE else 2
    return _Ranked(rank, _relative_gain(board, task, difference), task, against, difference)


def _tied_sentence(equal: Sequence[_Ranked]) -> str:
    *names, last = [entry.task.name for entry in equal]
    told = f"{', '.join(names)} and {last} lost most, by equally much"
    loss = f"{numbers.signed(equal[0].gain / 100, '')}{numbers.SPACE}%"
    return f"{told} for what they scored before: {loss}."


def _relative_gain(board: Scoreboard, task: TaskScores, difference: Difference) -> float:
    """In percent of the score before: as stored, else worked out from the difference."""
    stored = numbers.mapping(board.summary.get("delta_m_per_task")).get(task.name)
    known = numbers.number(numbers.mapping(stored).get("value"))
    if known is not None and task.from_single:
        return known
    after = board.score(task, board.last)
    change = difference.interval.value
    before = abs(after.value - change) if after else 0.0
    gain = -change if task.lower_is_better else change
    return 100 * gain / before if before > 1e-9 else 100 * gain


def _worst_sentence(
    board: Scoreboard, task: TaskScores, against: str, difference: Difference
) -> str:
    other = "its single-task model" if against == SINGLE else "the base model"
    before = board.score(task, against)
    after = board.score(task, board.last)
    scores = ""
    if before and after:
        unit = numbers.unit(task.metric)
        scores = (
            f", {numbers.metric_name(task.metric)} {numbers.plain(after.value, task.metric)}{unit}"
            f" against {numbers.plain(before.value, task.metric)}{unit}"
        )
    change = numbers.difference(difference.interval, task.metric)
    if difference.settled == "worse":
        return f"{task.name} lost most in proportion against {other}{scores}: {change}."
    gained = f"{task.name} gained least in proportion over {other}{scores}"
    if difference.settled == "better":
        return f"{gained}: {change}, still better."
    verdict = OUTCOME_WORDS[difference.settled]
    if difference.alone:
        verdict += f" once corrected for {counted(difference.family, 'task')}"
    return f"{gained}: {change}, {verdict}."
