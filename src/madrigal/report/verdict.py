"""Better, worse, no clear difference: what the stored differences say of the trained model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from madrigal.report import numbers
from madrigal.report.numbers import counted
from madrigal.report.scoreboard import (
    BASE,
    SINGLE,
    Difference,
    Outcome,
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

    against: str  # base | single
    verdict: Verdict
    headline: str
    figure: str  # the number behind it, with its interval
    tally: str  # better on 4 of 5 tasks, ...


@dataclass(frozen=True, slots=True)
class WorstTask:
    """The task to look at first."""

    task: TaskScores
    against: str  # base | single
    difference: Difference
    sentence: str


def judgements(board: Scoreboard) -> tuple[Judgement, ...]:
    """Against the base model and against single-task models, as far as they were scored."""
    found = []
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


def _against_base(board: Scoreboard) -> Judgement:
    outcomes = _outcomes(board, BASE)
    gain = board.unified_gain
    verdict: Verdict = gain.outcome if gain else _by_tally(outcomes)
    figure = ""
    before, after = board.unified.get(BASE), board.unified.get(board.last or "")
    if before and after:
        figure = f"unified score {unified(before)} → {unified(after)}"
    if gain and gain.interval.low is not None:
        figure = f"unified score {numbers.difference(gain.interval, '')}"
    return Judgement(BASE, verdict, _head(verdict, "the base model"), figure, _tally(outcomes))


def _against_single(board: Scoreboard) -> Judgement:
    outcomes = _outcomes(board, SINGLE)
    verdict: Verdict = board.delta_m.outcome if board.delta_m else _by_tally(outcomes)
    figure = f"mean relative change {delta_m(board.delta_m)}" if board.delta_m else ""
    head = _head(verdict, "single-task training")
    return Judgement(SINGLE, verdict, head, figure, _tally(outcomes))


def _head(verdict: Verdict, other: str) -> str:
    return _HEADLINES[verdict].format(other=other)


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


def worst_task(board: Scoreboard) -> WorstTask | None:
    """The task to look at first: one that got worse, else the one that gained least.

    Each task is held against its single-task model, or against the base model where it has none.
    """
    if len(board.tasks) < 2:
        return None
    ranked = []
    for task in board.tasks:
        against = SINGLE if task.from_single else BASE
        difference = against_of(task, against)
        if difference:
            # A task that was only watched is no trained task's equal unless it got worse.
            rank = 0 if difference.settled == "worse" else 1 if against == SINGLE else 2
            ranked.append(
                (rank, _relative_gain(board, task, difference), task, against, difference)
            )
    if not ranked:
        return None
    _, _, task, against, difference = min(ranked, key=lambda entry: entry[:2])
    return WorstTask(task, against, difference, _worst_sentence(board, task, against, difference))


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
        return f"{task.name} lost most against {other}{scores}: {change}."
    if difference.settled == "better":
        return f"{task.name} gained least over {other}{scores}: {change}, still better."
    verdict = OUTCOME_WORDS[difference.settled]
    if not difference.corrected and difference.outcome != "unclear":
        verdict += f" once corrected for {counted(len(board.tasks), 'task')}"
    return f"{task.name} gained least over {other}{scores}: {change}, {verdict}."
