"""From a stage's log to charts: losses, validation, learning rate, gradient, speed, weights."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from madrigal.report import figures
from madrigal.report.figures import Line, Mark, Point
from madrigal.report.folder import Json, StageLog
from madrigal.report.numbers import has_own_scale, mapping, number

POINTS = 120  # of a line, at most: more cannot be seen and costs bytes

EVENT_SIGNS = {
    "resumed": "↻",
    "rolled_back": "↩",
    "sign": "⚑",
    "skipped": "✕",
    "early_stop": "■",
    "task_done": "✓",
    "task_rolled_back": "↩",
    "truncated": "✂",
}


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure with its title and the unit of its y axis."""

    title: str
    unit: str
    figure: Markup


@dataclass(frozen=True, slots=True)
class Palette:
    """The colour of each task, the same on the whole page."""

    tasks: tuple[str, ...]

    def colour(self, task: str) -> str:
        """A class name, c0 to c7."""
        return f"c{self.tasks.index(task) % 8}" if task in self.tasks else "c7"

    def dashed(self, task: str) -> bool:
        """Whether the colours went round once."""
        return task in self.tasks and self.tasks.index(task) >= 8


def stage_charts(
    log: StageLog, palette: Palette, metrics: Mapping[str, str], points: int = POINTS
) -> tuple[Chart, ...]:
    """Every chart of a stage that its log has data for."""
    marks = event_marks(log)
    taken = [step for step in log.steps if "skipped" not in step]
    losses = _task_lines(taken, "loss", palette, points)
    rate = [Line("learning rate", "ink", series(taken, "lr", points))]
    norm = [Line("gradient norm", "ink", series(taken, "grad_norm", points, max))]
    speed = [Line("tokens per second", "ink", _speed(taken, points))]
    candidates = [
        ("Loss", _loss_unit(metrics), losses, False),
        ("Validation", _validation_unit(metrics), _validation(log, palette), False),
        ("Gradient norm", "before clipping, the largest of each span", norm, True),
        ("Learning rate", "at each step", rate, True),
        ("Speed", "tokens per second", speed, True),
        ("Task weights", "factor of each task's loss", _weights(taken, palette, points), True),
    ]
    at = [x for row in (*log.steps, *log.validation) if (x := number(row.get("step"))) is not None]
    span = (min(at), max(at)) if at else None
    charts = []
    for title, unit, lines, zero in candidates:
        name = f"{title}, stage {log.name}"
        drawn = figures.line_chart(lines, name=name, marks=marks, from_zero=zero, span=span)
        charts.append(Chart(title, unit, drawn))
    return tuple(chart for chart in charts if chart.figure)


def _loss_unit(metrics: Mapping[str, str]) -> str:
    if "agreement" in metrics.values():
        return "by task: nats a token; of judged answers as their objective has it"
    return "nats a token, by task"


def against_single(
    log: StageLog, baselines: Mapping[str, StageLog], palette: Palette, points: int = POINTS
) -> tuple[Chart, ...]:
    """Each task's loss here and in its single-task run, over the examples of the task seen."""
    charts = []
    for task in palette.tasks:
        if task in baselines:
            together, alone = (
                thin(loss_by_examples(steps, task), points // 2)
                for steps in (log.steps, baselines[task].steps)
            )
            lines = [Line("single-task", "single", alone), Line("multi-task", "multi", together)]
            name = f"Loss of {task}, multi-task and single-task"
            drawn = figures.line_chart(lines, name=name, x_name="examples") if together else ""
            charts.append(Chart(task, "nats a token, over examples seen", Markup(drawn)))
    return tuple(chart for chart in charts if chart.figure)


def event_marks(log: StageLog) -> tuple[Mark, ...]:
    """The events of a stage in order, with steps that were skipped and have no event."""
    told = {number(event.get("step")) for event in log.events if event.get("kind") == "skipped"}
    skipped = [
        {"step": step.get("step"), "kind": "skipped", "text": f"skipped: {step['skipped']}"}
        for step in log.steps
        if "skipped" in step and number(step.get("step")) not in told
    ]
    marks = [
        Mark(at, EVENT_SIGNS.get(str(event.get("kind")), "•"), _sentence(at, event.get("text")))
        for event in (*log.events, *skipped)
        if (at := number(event.get("step"))) is not None
    ]
    return tuple(sorted(marks, key=lambda mark: mark.x))


def _sentence(step: float, text: Any) -> str:
    """The event without the step it begins with: that stands in a column of its own."""
    told = str(text or "").removeprefix(f"Step {step:.0f} ")
    return told[:1].upper() + told[1:]


def thin(
    points: Sequence[Point], most: int, gather: Callable[[Iterable[float]], float] | None = None
) -> list[Point]:
    """At most `most` points: each the mean (or `gather`) of a span of neighbours."""
    if len(points) <= most:
        return list(points)
    gather = gather or mean
    edges = [round(index * len(points) / most) for index in range(most + 1)]
    spans = [points[a:b] for a, b in pairwise(edges)]
    return [(mean(x for x, _ in span), gather(y for _, y in span)) for span in spans]


def mean(values: Iterable[float]) -> float:
    """The arithmetic mean of at least one value."""
    listed = list(values)
    return sum(listed) / len(listed)


def series(
    steps: Sequence[Json],
    key: str,
    points: int,
    gather: Callable[[Iterable[float]], float] | None = None,
) -> list[Point]:
    """One number a step, thinned."""
    found = [
        (at, value)
        for step in steps
        if (at := number(step.get("step"))) is not None
        and (value := number(step.get(key))) is not None
    ]
    return thin(found, points, gather)


def by_task(step: Json, key: str) -> dict[str, float]:
    """The finite numbers of a per-task field of one step."""
    pairs = mapping(step.get(key)).items()
    return {str(task): value for task, raw in pairs if (value := number(raw)) is not None}


def _task_lines(steps: Sequence[Json], key: str, palette: Palette, points: int) -> list[Line]:
    found: dict[str, list[Point]] = {}
    for step in steps:
        at = number(step.get("step"))
        if at is not None:
            for task, value in by_task(step, key).items():
                found.setdefault(task, []).append((at, value))
    return [
        Line(task, palette.colour(task), thin(found[task], points), dashed=palette.dashed(task))
        for task in sorted(found, key=lambda name: (name not in palette.tasks, name))
    ]


def _weights(steps: Sequence[Json], palette: Palette, points: int) -> list[Line]:
    """Nothing where every weight stayed what it was: a flat line is a sentence, not a chart."""
    lines = _task_lines(steps, "weight", palette, points)
    moved = any(max(ys) - min(ys) > 1e-6 for line in lines if (ys := [y for _, y in line.points]))
    return lines if moved else []


def constant_weights(log: StageLog) -> dict[str, float]:
    """Each task's weight where all weights of the stage stayed what they were, else nothing."""
    found: dict[str, float] = {}
    for step in log.steps:
        for task, weight in by_task(step, "weight").items():
            if abs(found.setdefault(task, weight) - weight) > 1e-6:
                return {}
    return found


def _speed(steps: Sequence[Json], points: int) -> list[Point]:
    found = [
        (at, sum(by_task(step, "tokens").values()) / seconds)
        for step in steps
        if (at := number(step.get("step"))) is not None
        and (seconds := number(step.get("seconds")))
        and by_task(step, "tokens")
    ]
    return thin(found, points)


def _validation_unit(metrics: Mapping[str, str]) -> str:
    own = any(has_own_scale(metric) for metric in metrics.values())
    return "score by task" + ("; perplexity as its inverse" if own else "") + "; thick: mean"


def _validation(log: StageLog, palette: Palette) -> list[Line]:
    """The log's scores in [0, 1], times 100, and their mean, which early stopping looks at."""
    found: dict[str, list[Point]] = {}
    means: list[Point] = []
    for row in log.validation:
        at, middle = number(row.get("step")), number(row.get("mean"))
        if at is not None:
            for task, value in by_task(row, "scores").items():
                found.setdefault(task, []).append((at, 100 * value))
            means += [(at, 100 * middle)] if middle is not None else []
    lines = [Line(task, palette.colour(task), found[task], dots=True) for task in sorted(found)]
    return [*lines, Line("mean", "mean", means)] if len(lines) > 1 else lines


def loss_by_examples(steps: Sequence[Json], task: str) -> list[Point]:
    """The task's loss over how many of its examples were seen before and in the step."""
    seen, found = 0.0, []
    for step in steps:
        seen += by_task(step, "rows").get(task, 0.0)
        loss = by_task(step, "loss").get(task)
        if loss is not None and "skipped" not in step:
            found.append((seen, loss))
    return found


def totals(steps: Sequence[Json], key: str) -> dict[str, float]:
    """Sums of a per-task field over all steps."""
    found: dict[str, float] = {}
    for step in steps:
        for task, value in by_task(step, key).items():
            found[task] = found.get(task, 0.0) + value
    return found
