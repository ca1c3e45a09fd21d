"""What was forgotten, how sure that is, and what to try: the verdict on tasks in sequence."""

from collections.abc import Sequence
from dataclasses import dataclass

from madrigal.report import numbers
from madrigal.report.differences import interval_of
from madrigal.report.fates import lost_on_average, of, verdict
from madrigal.report.remembered import MARGIN, Remembered, remembered
from madrigal.report.retention import StageCost
from madrigal.report.scoreboard import BASE, Scoreboard, label
from madrigal.report.to_keep import Attempt, attempts

_POINTS = f"{100 * MARGIN:.0f} points"
_PERCENT = numbers.percent(MARGIN, 0)
_NAMED = 5  # forgotten tasks with a sentence of their own
_SENTENCES = {
    "kept": f"Kept, with a loss of {_POINTS} or more ruled out: {{}}.",
    "helped": "Better than when it was learnt: {}.",
    "unclear": "Not sure: {}.",
    "unknown": "Without an interval: {}.",
}


@dataclass(frozen=True, slots=True)
class Loss:
    """What a forgotten task lost and how sure that is; from what to what, and in which stage."""

    task: str
    said: str
    more: str

    @property
    def sentence(self) -> str:
        """All of it as text."""
        return f"{self.task} {self.said}. {self.more}"


@dataclass(frozen=True, slots=True)
class Forgetting:
    """The verdict in one sentence; then each task, the measures behind it, and what to try."""

    verdict: str
    tasks: tuple[Remembered, ...]
    lost: tuple[Loss, ...]  # the largest first, and no more than a few
    others: tuple[str, ...]  # the rest, a sentence for each fate
    levels: str
    attempts: tuple[Attempt, ...]
    notes: tuple[str, ...]


def forgetting(board: Scoreboard, costs: Sequence[StageCost]) -> Forgetting | None:
    """None for a run in which no task came before another."""
    tasks = remembered(board)
    if not tasks:
        return None
    lost = sorted(of(tasks, "forgotten"), key=_largest_first)
    bwt = interval_of(board.summary.get("bwt"))
    fell = [one for one in of(tasks, "unclear") if one.change.interval.value < 0]
    return Forgetting(
        verdict=f"{verdict(tasks, bwt)}.",
        tasks=tasks,
        lost=tuple(loss(board, one) for one in lost[:_NAMED]),
        others=(*_also_lost(lost[_NAMED:]), *_others(tasks)),
        levels=_levels(board),
        attempts=attempts(fell if lost_on_average(tasks, bwt) else lost, costs),
        notes=_notes(tasks),
    )


def _largest_first(one: Remembered) -> tuple[bool, float]:
    """Perplexities behind the rest, whose scale they do not share."""
    return numbers.has_own_scale(one.task.metric), -abs(one.change.interval.value)


def loss(board: Scoreboard, one: Remembered) -> Loss:
    """The loss of a forgotten task."""
    task = one.task
    p = f", {one.change.p_words}" if one.change.p_words else ""
    then, now = (
        numbers.plain(score.value, task.metric) + numbers.unit(task.metric) if score else ""
        for score in (task.scores.get(one.taught), task.scores.get(board.last or ""))
    )
    more = ""
    if then and now:
        metric = numbers.metric_name(task.metric)
        more = f"{metric[0].upper()}{metric[1:]} {then} {_when(one.taught)}, {now} at the end. "
    return Loss(task.name, f"{_changed(one)}{p}", more + _where(one))


def _changed(one: Remembered) -> str:
    """`lost 46.2 points (32.3 to 58.3)`."""
    change, metric = one.change.interval, one.task.metric
    if numbers.has_own_scale(metric) or change.low is None or change.high is None:
        return f"changed for the worse by {numbers.difference(change, metric)}"
    ends = sorted((-change.low, -change.high))
    low, high = (numbers.plain(end, metric) for end in ends)
    return f"lost {numbers.plain(-change.value, metric)} points ({low} to {high})"


def _when(row: str) -> str:
    return "before this run" if row == BASE else f"after stage {label(row)}"


def _where(one: Remembered) -> str:
    if len(one.since) == 1:
        return f"Only stage {label(one.since[0])} came after it."
    if not one.losses:
        return "It came over several stages: in none of them is the loss sure by itself."
    if len(one.losses) == 1:
        (move,) = one.losses
        change = numbers.difference(move.change.interval, one.task.metric)
        return f"A sure loss came with stage {label(move.after)}, {change}."
    *told, last = [
        f"{label(m.after)} ({numbers.signed(m.change.interval.value, one.task.metric)})"
        for m in one.losses
    ]
    return f"Sure losses came with stages {', '.join(told)} and {last}."


def _also_lost(rest: Sequence[Remembered]) -> tuple[str, ...]:
    told = [
        f"{one.task.name} {numbers.signed(one.change.interval.value, one.task.metric)}"
        for one in rest
    ]
    return (f"Also forgotten, in points: {', '.join(told)}.",) if told else ()


def _others(tasks: Sequence[Remembered]) -> tuple[str, ...]:
    found = []
    for fate, words in _SENTENCES.items():
        there = [one for one in tasks if one.fate == fate]
        told = [
            f"{one.task.name} {numbers.difference(one.change.interval, one.task.metric)}"
            for one in there
        ]
        if any(numbers.has_own_scale(one.task.metric) for one in there):
            words = words.replace(_POINTS, f"{_POINTS}, of a perplexity {_PERCENT},")
        found += [words.format(", ".join(told))] if told else []
    return tuple(found)


def _levels(board: Scoreboard) -> str:
    """Learning accuracy, the average at the end, and what became of the general tasks."""
    learnt, now, general, unlearnt = (
        interval_of(board.summary.get(key))
        for key in ("learning_accuracy", "average", "general_change", "intransigence")
    )
    told = []
    if learnt and now:
        before, after = (
            f"{numbers.plain(value.value, '')} points{numbers.score_range(value, '')}"
            for value in (learnt, now)
        )
        told.append(f"on average {before} when each task was just learnt, {after} at the end")
    if unlearnt:
        missed = numbers.difference(unlearnt, "")
        told.append(f"single-task models against tasks just learnt: {missed} (intransigence)")
    if general:
        changed = numbers.difference(general, "")
        told.append(f"tasks that were only watched changed by {changed} since the base model")
    text = "; ".join(told)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _notes(tasks: Sequence[Remembered]) -> tuple[str, ...]:
    """How many examples would settle what is not sure, and what intervals do not know."""
    found = []
    for one in of(tasks, "unclear"):
        least, n = one.change.detectable, one.task.n
        if least and n and least > MARGIN and not numbers.has_own_scale(one.task.metric):
            needed = numbers.count(round(n * (least / MARGIN) ** 2, -1))
            found.append(f"{one.task.name} about {needed} (it has {n})")
    told = []
    if found:
        told.append(
            f"Test examples with which a loss of {_POINTS} would show four times in five: "
            f"{', '.join(found)}."
        )
    told.append("The intervals speak of the test examples, not of the seed or the order of stages.")
    return tuple(told)
