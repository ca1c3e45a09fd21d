"""The scores of a run as the page tells them: what scores.json holds, typed, nothing recomputed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from madrigal.evaluation.intervals import alpha_of
from madrigal.report.folder import Json, RunFolder
from madrigal.report.numbers import Interval, mapping, number, p_value

Outcome = Literal["better", "worse", "unclear", "unknown"]

BASE, FEW_SHOT, SINGLE = "base", "few-shot", "single"


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
class TaskScores:
    """One task: how it is judged, and its score in every row of the matrix."""

    name: str
    metric: str
    kind: str
    lower_is_better: bool
    n: int | None
    chance: float | None
    watched: bool  # evaluated after every stage, never trained
    definition: str
    unparsed: Mapping[str, int]  # by stage: outputs that could not be read as an answer
    scores: Mapping[str, Interval]  # by stage
    single: Interval | None
    from_base: Difference | None
    from_single: Difference | None


@dataclass(frozen=True, slots=True)
class Scoreboard:
    """All tasks, in the order of scores.json, and the summary."""

    tasks: tuple[TaskScores, ...]
    rows: tuple[str, ...]  # every row: base, few-shot, then the stages
    stages: tuple[str, ...]  # trained stages only
    unified: Mapping[str, Interval]
    unified_gain: Difference | None  # last stage minus base
    delta_m: Difference | None  # gain convention, in percent
    summary: Json
    learned: Mapping[str, tuple[str, ...]]  # tasks by the stage that trains them
    definitions: Mapping[str, str]  # of the overall scores, in words
    level: float  # of the intervals

    @property
    def last(self) -> str | None:
        """The last trained stage."""
        return self.stages[-1] if self.stages else None

    @property
    def has_single(self) -> bool:
        """Whether single-task baselines were scored."""
        return any(task.single for task in self.tasks)

    def bits_per_byte(self, task: TaskScores, row: str) -> float | None:
        """Cost of a task's raw text: comparable between tokenizers, as perplexity is not."""
        stored = mapping(mapping(self.summary.get("bits_per_byte")).get(task.name))
        return number(stored.get(row))

    def score(self, task: TaskScores, row: str | None) -> Interval | None:
        """The task's score in a row; `single` means the baseline."""
        return task.single if row == SINGLE else task.scores.get(row or "")


def label(row: str) -> str:
    """A row of the matrix as words: `01-together` is `together`."""
    fixed = {BASE: "base", FEW_SHOT: "few-shot", SINGLE: "single-task"}
    head, _, tail = row.partition("-")
    return fixed.get(row, tail if head.isdigit() and tail else row)


def read_scores(run: RunFolder) -> Scoreboard:
    """The scoreboard of a run; empty where scores.json is missing."""
    scores = run.scores
    lines = {
        str(row["stage"]): row
        for row in _list(scores.get("rows"))
        if isinstance(row, dict) and "stage" in row
    }
    matrix = {stage: mapping(row.get("scores")) for stage, row in lines.items()}
    rows = tuple(matrix)
    stages = tuple(name for name in rows if name not in (BASE, FEW_SHOT))
    summary = mapping(scores.get("summary"))
    per_task = mapping(summary.get("per_task"))
    baselines = mapping(scores.get("baselines"))
    level = number(scores.get("confidence")) or 0.95
    alpha = alpha_of(level)
    tests = _Tests(alpha, per_task)
    tasks = tuple(
        _task(name, mapping(facts), matrix, baselines, tests, stages)
        for name, facts in mapping(scores.get("tasks")).items()
    )
    unified = {
        stage: interval
        for stage, value in mapping(summary.get("unified")).items()
        if (interval := interval_of(value)) is not None
    }
    return Scoreboard(
        tasks=tasks,
        rows=rows,
        stages=stages,
        unified=unified,
        unified_gain=_unified_gain(summary, unified, stages, alpha),
        delta_m=_difference(summary.get("delta_m"), None, None, False, alpha),
        summary=summary,
        learned={
            stage: tuple(map(str, tasks))
            for stage, row in lines.items()
            if (tasks := _list(row.get("learned")))
        },
        definitions={key: str(text) for key, text in mapping(scores.get("definitions")).items()},
        level=level,
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


@dataclass(frozen=True, slots=True)
class _Tests:
    """The stored differences of the tasks, and the level of their tests."""

    alpha: float
    per_task: Json

    def of(
        self, task: str, kind: str, before: Interval | None, after: Interval | None, lower: bool
    ) -> Difference | None:
        """A task's difference, which is one of so many that Holm's p is adjusted for."""
        stored = {name: mapping(mapping(kinds).get(kind)) for name, kinds in self.per_task.items()}
        found = _difference(stored.get(task), before, after, lower, self.alpha)
        family = sum("p_holm" in each for each in stored.values())
        return found and replace(found, family=max(1, family))


def _task(
    name: str,
    facts: Json,
    matrix: Mapping[str, Json],
    baselines: Json,
    tests: _Tests,
    stages: tuple[str, ...],
) -> TaskScores:
    lower = facts.get("direction") == "lower"
    scores = {
        stage: interval
        for stage, row in matrix.items()
        if (interval := interval_of(row.get(name))) is not None
    }
    single = interval_of(baselines.get(name))
    last = scores.get(stages[-1]) if stages else None
    n = number(facts.get("n"))
    return TaskScores(
        name=name,
        metric=str(facts.get("metric", "score")),
        kind=str(facts.get("kind", "")),
        lower_is_better=lower,
        n=None if n is None else int(n),
        chance=number(facts.get("chance")),
        watched=facts.get("general") is True,
        definition=str(facts.get("definition", "")),
        unparsed={
            stage: int(count)
            for stage, row in matrix.items()
            if (count := number(mapping(row.get(name)).get("unparsed")))
        },
        scores=scores,
        single=single,
        from_base=tests.of(name, "base_to_last", scores.get(BASE), last, lower),
        from_single=tests.of(name, "single_to_last", single, last, lower),
    )


def _difference(
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


def _unified_gain(
    summary: Json, unified: Mapping[str, Interval], stages: tuple[str, ...], alpha: float
) -> Difference | None:
    """As stored. Otherwise the bare difference, and an outcome only where both intervals part.

    Intervals that part are a stricter test than the interval of the difference, never a laxer one.
    """
    stored = _difference(summary.get("unified_gain"), None, None, False, alpha)
    base, last = unified.get(BASE), unified.get(stages[-1]) if stages else None
    if stored or not base or not last:
        return stored
    bare = Interval(last.value - base.value)
    if base.low is None or base.high is None or last.low is None or last.high is None:
        return Difference(bare, "unknown", alpha)
    if last.low > base.high:
        return Difference(bare, "better", alpha)
    return Difference(bare, "worse" if last.high < base.low else "unclear", alpha)


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
