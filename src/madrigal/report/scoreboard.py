"""The scores of a run as the page tells them: what scores.json holds, typed, nothing recomputed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from madrigal.evaluation.intervals import alpha_of
from madrigal.evaluation.plan import ROUTED
from madrigal.report import numbers
from madrigal.report.ceiling import ceiling_of, ceiling_words
from madrigal.report.differences import Difference, Tests, interval_of, read_difference
from madrigal.report.folder import Json, RunFolder
from madrigal.report.numbers import Interval, mapping, number

BASE, FEW_SHOT, SINGLE = "base", "few-shot", "single"


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
    ceiling: str = ""  # of agreement with people: what a perfect model could reach

    @property
    def judged(self) -> str:
        """The metric's name, and beside agreement its ceiling."""
        name = numbers.metric_name(self.metric)
        return f"{name}, {self.ceiling}" if self.ceiling else name


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
    before: tuple[str, ...]  # tasks that the base model of the run had been taught already
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
    """A row of the matrix as words: `01-together` is `together`.

    `01-together.routed` is `together, routed`: a router chose the part that answers.
    """
    fixed = {BASE: "base", FEW_SHOT: "few-shot", SINGLE: "single-task"}
    if row.endswith(ROUTED):
        return f"{label(row.removesuffix(ROUTED))}, routed"
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
    stages = tuple(n for n in rows if n not in (BASE, FEW_SHOT) and not n.endswith(ROUTED))
    summary = mapping(scores.get("summary"))
    per_task = mapping(summary.get("per_task"))
    baselines = mapping(scores.get("baselines"))
    level = number(scores.get("confidence")) or 0.95
    alpha = alpha_of(level)
    tests = Tests(alpha, per_task)
    tasks = tuple(
        _with_ceiling(run, _task(name, mapping(facts), matrix, baselines, tests, stages))
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
        delta_m=read_difference(summary.get("delta_m"), None, None, False, alpha),
        summary=summary,
        learned={
            stage: tuple(map(str, tasks))
            for stage, row in lines.items()
            if (tasks := _list(row.get("learned")))
        },
        before=tuple(map(str, _list(scores.get("before")))),
        definitions={key: str(text) for key, text in mapping(scores.get("definitions")).items()},
        level=level,
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _with_ceiling(run: RunFolder, task: TaskScores) -> TaskScores:
    if task.metric != "agreement":
        return task
    return replace(task, ceiling=ceiling_words(ceiling_of(run, task.name)))


def _task(
    name: str,
    facts: Json,
    matrix: Mapping[str, Json],
    baselines: Json,
    tests: Tests,
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


def _unified_gain(
    summary: Json, unified: Mapping[str, Interval], stages: tuple[str, ...], alpha: float
) -> Difference | None:
    """As stored. Otherwise the bare difference, and an outcome only where both intervals part.

    Intervals that part are a stricter test than the interval of the difference, never a laxer one.
    """
    stored = read_difference(summary.get("unified_gain"), None, None, False, alpha)
    base, last = unified.get(BASE), unified.get(stages[-1]) if stages else None
    if stored or not base or not last:
        return stored
    bare = Interval(last.value - base.value)
    if base.low is None or base.high is None or last.low is None or last.high is None:
        return Difference(bare, "unknown", alpha)
    if last.low > base.high:
        return Difference(bare, "better", alpha)
    return Difference(bare, "worse" if last.high < base.low else "unclear", alpha)
