"""Better, worse, no clear difference: what the stored differences say of the trained model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from madrigal.report import fates as of_sequence
from madrigal.report import numbers
from madrigal.report.differences import Outcome, interval_of
from madrigal.report.numbers import counted
from madrigal.report.remembered import Remembered, remembered
from madrigal.report.scoreboard import (
    BASE,
    SINGLE,
    Difference,
    Scoreboard,
    TaskScores,
)

Verdict = Literal["better", "worse", "unclear", "unknown", "mixed"]

OUTCOME_WORDS = {
    "better": "better",
    "worse": "worse",
    "unclear": "no clear difference",
    "unknown": "no interval",
    "mixed": "mixed",
}
SIGNS = {"better": "▲", "worse": "▼", "unclear": "≈", "unknown": "·", "mixed": "◆"}
EARLIER = "earlier"
_OTHERS = {BASE: "the base model", SINGLE: "single-task training"}
_HEADLINES = {
    "better": "Better than {other}",
    "worse": "Worse than {other}",
    "unclear": "No clear difference to {other}",
    "unknown": "Not to be told apart from {other}: no intervals",
    "mixed": "Better and worse than {other}, by task",
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """The trained model against one other, on the whole."""

    against: str  # earlier | base | single
    verdict: Verdict
    headline: str
    figure: str  # the number behind it, with its interval
    tally: str  # better on 4 of 5 tasks, ...


def judgements(board: Scoreboard) -> tuple[Judgement, ...]:
    """Against itself when each task was learnt, against the base model and against single-task
    models, as far as they were scored."""
    earlier = remembered(board)
    found = [_against_earlier(board, earlier)] if earlier else []
    if board.last and any(BASE in task.scores for task in board.tasks):
        found.append(_against_base(board))
    if board.last and board.has_single:
        found.append(_against_single(board))
    return tuple(found)


def headline(found: Sequence[Judgement]) -> str:
    """One sentence for the top of the page and the end of the terminal."""
    if not found:
        return "There is nothing to compare with: neither the base model nor baselines were scored."
    first, *rest = [judgement.headline for judgement in found]
    return "; ".join([first, *(text[0].lower() + text[1:] for text in rest)]) + "."


def _against_earlier(board: Scoreboard, tasks: Sequence[Remembered]) -> Judgement:
    """What became of earlier tasks; each task decides, and the mean over them, which
    is the figure, where none does."""
    fates = {one.fate for one in tasks}
    verdict: Verdict = "better" if "helped" in fates else "unclear"
    if "forgotten" in fates:
        verdict = "mixed" if "helped" in fates else "worse"
    bwt = interval_of(board.summary.get("bwt"))
    if of_sequence.lost_on_average(tasks, bwt):
        verdict = "mixed" if "helped" in fates else "worse"
    figure = f"backward transfer {numbers.difference(bwt, '')}" if bwt else ""
    head, told = of_sequence.verdict(tasks, bwt), of_sequence.tally(tasks)
    return Judgement(EARLIER, verdict, head, figure, told)


def _against_base(board: Scoreboard) -> Judgement:
    gain = board.unified_gain
    figure = ""
    before, after = board.unified.get(BASE), board.unified.get(board.last or "")
    if before and after:
        figure = f"unified score {unified(before)} → {unified(after)}"
    if gain and gain.interval.low is not None:
        figure = f"unified score {numbers.difference(gain.interval, '')}"
    return _judged(board, gain, BASE, figure)


def _against_single(board: Scoreboard) -> Judgement:
    figure = f"mean relative change {delta_m(board.delta_m)}" if board.delta_m else ""
    return _judged(board, board.delta_m, SINGLE, figure)


def _judged(board: Scoreboard, overall: Difference | None, against: str, figure: str) -> Judgement:
    """The number over all trained tasks decides where it has an interval; one task for itself."""
    outcomes = _outcomes(board, against)
    watched = {task.name for task in board.tasks if task.watched}
    trained: dict[str, Outcome] = {name: outcomes[name] for name in outcomes if name not in watched}
    verdict = _by_tally(trained or outcomes)
    if overall and overall.outcome != "unknown" and len(trained) > 1:
        verdict = overall.outcome
    head = _HEADLINES[verdict].format(other=_OTHERS[against])
    if verdict in ("better", "worse") and verdict not in (trained or outcomes).values():
        head += " on average, but on no task by itself"
    return Judgement(against, verdict, head, figure, _tally(outcomes))


def unified(value: numbers.Interval) -> str:
    """93.1 % (88.0 to 97.2): 0 % is chance, 100 % the single-task model or a perfect score."""
    return numbers.percent(value.value) + unified_range(value)


def unified_range(value: numbers.Interval) -> str:
    """The bracket behind a unified score, or nothing."""
    return numbers.score_range(value, "")


def delta_m(difference: Difference) -> str:
    """−0.8 % (−2.1 to +0.6): mean relative gain over the single-task models."""
    value = difference.interval

    def text(part: float) -> str:
        return numbers.signed(part / 100, "")

    bracket = ""
    if value.low is not None and value.high is not None:
        bracket = f" ({text(value.low)} to {text(value.high)})"
    return f"{text(value.value)}{numbers.SPACE}%{bracket}"


def _outcomes(board: Scoreboard, against: str) -> dict[str, Outcome]:
    return {
        task.name: difference.settled
        for task in board.tasks
        if (difference := against_of(task, against)) is not None
    }


def against_of(task: TaskScores, against: str) -> Difference | None:
    """The task's difference to the base model or to its single-task model."""
    return task.from_base if against == BASE else task.from_single


def _by_tally(outcomes: dict[str, Outcome]) -> Verdict:
    kinds = set(outcomes.values())
    if {"better", "worse"} <= kinds:
        return "mixed"
    for kind in ("better", "worse", "unclear"):
        if kind in kinds:
            return kind
    return "unknown"


def _tally(outcomes: dict[str, Outcome]) -> str:
    """Better on 4 of 5 tasks, worse on 1 (titles)."""
    parts = []
    for kind in ("better", "worse", "unclear", "unknown"):
        names = [name for name, outcome in outcomes.items() if outcome == kind]
        if names and len(names) == len(outcomes) > 1:
            every = "both" if len(outcomes) == 2 else f"all {len(outcomes)}"
            return f"{OUTCOME_WORDS[kind]} on {every} tasks"
        if names:
            of = "" if parts else f" of {counted(len(outcomes), 'task')}"
            named = f" ({', '.join(names)})" if kind != "better" and len(names) <= 3 else ""
            parts.append(f"{OUTCOME_WORDS[kind]} on {len(names)}{of}{named}")
    return ", ".join(parts)
