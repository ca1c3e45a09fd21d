"""Differences between two rows of the score matrix: as scores.json stores them, what they mean."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from madrigal.report.folder import Json
from madrigal.report.numbers import Interval, mapping, number, p_value

Outcome = Literal["better", "worse", "unclear", "unknown"]


@dataclass(frozen=True, slots=True)
class Difference:
    """Later minus earlier, in the metric's own unit and sign; with what it means.

    `outcome` is what the interval says; `family` the number of tests that Holm's p is adjusted for.
    """

    interval: Interval
    outcome: Outcome
    alpha: float  # what p may be at most: 1 minus the confidence of the run
    p: float | None = None
    p_holm: float | None = None
    detectable: float | None = None  # smallest true difference that so many examples show
    family: int = 1

    @property
    def corrected(self) -> bool:
        """Whether the outcome holds after Holm's correction for the number of tasks."""
        return self.p_holm is None or self.p_holm <= self.alpha

    @property
    def settled(self) -> Outcome:
        """The outcome to build a sentence on: unclear where the correction takes it back."""
        return self.outcome if self.corrected else "unclear"

    @property
    def alone(self) -> bool:
        """Whether it would be better or worse if it were the only one, and is not among so many."""
        if self.p is None or self.p > self.alpha:
            return False
        return self.outcome in ("better", "worse") and not self.corrected

    @property
    def p_words(self) -> str:
        """`p = 0.031 after Holm`, or without the tail where there was one test; else nothing."""
        if self.p_holm is None:
            return ""
        return p_value(self.p_holm) + (" after Holm" if self.family > 1 else "")

    @property
    def clear(self) -> bool:
        """Whether it may be called better or worse."""
        return self.settled in ("better", "worse")


@dataclass(frozen=True, slots=True)
class Tests:
    """The stored differences of the tasks, and the level of their tests."""

    alpha: float
    per_task: Json

    def of(
        self, task: str, kind: str, before: Interval | None, after: Interval | None, lower: bool
    ) -> Difference | None:
        """A task's difference, which is one of so many that Holm's p is adjusted for."""
        stored = {name: mapping(mapping(kinds).get(kind)) for name, kinds in self.per_task.items()}
        found = read_difference(stored.get(task), before, after, lower, self.alpha)
        family = sum("p_holm" in each for each in stored.values())
        return found and replace(found, family=max(1, family))


def read_difference(
    value: Any, before: Interval | None, after: Interval | None, lower: bool, alpha: float
) -> Difference | None:
    """As stored; where nothing is stored, the bare difference of two scores, without interval."""
    stored = mapping(value)
    interval = interval_of({"value": stored.get("difference", stored.get("value")), **stored})
    if interval is None and number(value) is not None:
        interval = interval_of(value)
    if interval is None and before and after:
        interval = Interval(after.value - before.value)
    if interval is None:
        return None
    p, p_holm, least = (number(stored.get(key)) for key in ("p", "p_holm", "detectable"))
    return Difference(interval, outcome_of(interval, lower), alpha, p, p_holm, least)


def outcome_of(difference: Interval, lower_is_better: bool) -> Outcome:
    """What a difference means: an interval that covers 0 means nothing clear."""
    if difference.low is None or difference.high is None:
        return "unknown"
    if difference.low <= 0 <= difference.high:
        return "unclear"
    return "better" if (difference.low > 0) != lower_is_better else "worse"


def interval_of(value: Any) -> Interval | None:
    """A bare number, or an object with value, low and high; None for anything else."""
    if number(value) is not None:
        return Interval(float(value))
    parts = mapping(value)
    middle = number(parts.get("value"))
    if middle is None:
        return None
    low, high = number(parts.get("low")), number(parts.get("high"))
    return Interval(middle, low, high) if low is not None and high is not None else Interval(middle)
