"""What grouping found, as a matrix, a table and sentences, and as JSON."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import Float
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from madrigal.cli.heat import heat, power, scale_for
from madrigal.evaluation.cosine import LEAST_STEPS
from madrigal.evaluation.grouping import Grouping
from madrigal.evaluation.partition import EXACT
from madrigal.evaluation.task_gradients import Bounded
from madrigal.report.numbers import MINUS, counted, percent

_NAMED = 3  # tasks that lose; --json has all
_WIDEST = 100  # columns; longer lines are hard to read
_METRICS = {
    "raw": "plain gradients",
    "adam": "gradients in AdamW's metric",
    "update": "updates of the weights, not what they do to a loss",
}
_MEASURES = {
    "first_order": "first_order: to first order, lr gᵢ·gⱼ / Lⱼ",
    "look_ahead": "look_ahead: tried, 1 − Lⱼ(after) / Lⱼ(before)",
}


def view(
    found: Grouping, stage: str, names: Sequence[str], scored: Collection[str], width: int
) -> Iterator[RenderableType]:
    """The matrix, the groups, and what they gain."""
    room = min(width, _WIDEST)
    yield from _matrix(found, stage, room)
    yield Text("")
    yield _groups(found, names, scored)
    yield Text("")
    for number, sentence in enumerate(sentences(found)):
        yield Text(sentence, style="bold" if number == 0 else "dim")


def _matrix(found: Grouping, stage: str, room: int) -> Iterator[Text]:
    order = [found.tasks.index(task) for group in found.groups for task in group]
    values = found.affinity[order][:, order]
    sure = (found.low[order][:, order] > 0) | (found.high[order][:, order] < 0)
    largest = float(np.nanmax(np.abs(values), initial=0.0))
    scale = scale_for(largest, len(order), room)
    title = f"stage {stage}: what a step on the row's task does to the loss of the column's"
    yield Text(title, style="bold")
    how = f"{_MEASURES[found.measure]}; {_METRICS.get(found.metric, found.metric)}; "
    yield Text(f"{how}{counted(found.steps, 'measured step')}", style="dim")
    breaks = np.cumsum([len(group) for group in found.groups])[:-1].tolist()
    yield from heat([found.tasks[k] for k in order], values, sure, breaks, scale, room)
    unit = f"in {_ten(scale.unit)} of that loss a step"
    if scale.width == 3:
        ten = 10.0 ** power(largest)
        unit = f"9 is the largest, {_number(largest, ten)} × {_ten(ten)} of that loss a step"
    yield Text(f"+ (green) lowers it, {MINUS} (red) raises it; {unit}; bold: surely not 0", "dim")


def _groups(found: Grouping, names: Sequence[str], scored: Collection[str]) -> Table:
    unit = _unit(found)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("group", no_wrap=True)
    table.add_column("tasks", overflow="fold")
    for column in ("from mates", "all in one", "stable"):
        table.add_column(column, justify="right", no_wrap=True)
    numbers = {t: n for n, t in enumerate((t for group in found.groups for t in group), 1)}
    for name, group in zip(names, found.groups, strict=False):
        mine = [found.tasks.index(task) for task in group if task in scored]
        mates = [found.tasks.index(task) for task in group]
        # The matrix cuts long names where tasks are many; there its numbers lead to the names here.
        tasks = ", ".join(f"{numbers[t]}:{t}" if len(numbers) > EXACT else t for t in group)
        table.add_row(
            name,
            tasks,
            _number(_received(found.affinity, mates, mine), unit),
            _number(_received(found.affinity, range(len(found.tasks)), mine), unit),
            _stable(found, mates),
        )
    table.caption = (
        f"what a task of the group gets from another's step on average, in {_ten(unit)} of its "
        "loss: from its group, and from all tasks (in the steps that chose the groups, so luck is "
        "in it); stable: how often two of its tasks stay together when the steps are drawn anew"
    )
    table.caption_justify = "left"
    return table


def _received(
    affinity: Float[np.ndarray, "K K"], givers: Sequence[int], receivers: Sequence[int]
) -> float:
    """The mean over receivers of their mean affinity from the others; 0 from nobody."""
    means = []
    for j in receivers:
        given = [affinity[i, j] for i in givers if i != j and np.isfinite(affinity[i, j])]
        means.append(float(np.mean(given)) if given else 0.0)
    return float(np.mean(means)) if means else 0.0


def _stable(found: Grouping, mates: Sequence[int]) -> str:
    inside = [found.pairs[i, j] for i in mates for j in mates if i < j]
    outside = [found.pairs[i, j] for i in mates for j in range(len(found.tasks)) if j not in mates]
    if inside:
        return percent(float(np.mean(inside)), 0)
    return percent(1 - float(np.max(outside, initial=0.0)), 0)


def sentences(found: Grouping) -> Iterator[str]:
    """What to do, how sure that is, and what must be known to believe it."""
    gain, unit = found.gain, _unit(found)
    if found.steps < LEAST_STEPS:
        few = counted(found.steps, "step")
        yield (
            f"Leave them together: only {few} measured, too few to tell whether groups gain; "
            "without --run a short run measures every step."
        )
    elif len(found.groups) == 1:
        yield "Leave them together: no groups gain more over one adapter for all than luck gives."
    else:
        told = f"{_bracketed(gain, unit)} × {_ten(unit)} of its loss"
        often = f"{percent(found.stability, 0)} of resamplings of the steps give these groups"
        if found.sure:
            yield f"Group them: expected gain {told} a task and step over all in one; {often}."
        else:
            yield (
                f"Leave them together: the gain of these groups, {told} a task and step over all "
                f"in one, is not surely above 0; {often}."
            )
    yield from _losers(found)
    if len(found.tasks) > EXACT:
        yield f"Above {EXACT} tasks the search is not exhaustive: other groups may score more."
    if found.unmeasured:
        a, b = found.unmeasured[0]
        pairs = counted(len(found.unmeasured), "pair")
        yield f"No step measured {pairs}, {a} to {b} for one, counted as 0: take larger steps."
    if found.sure and found.together > 0:
        yield (
            "Together, too, a task gains from the others on average; the groups only gain more. "
            "Affinity knows nothing of small data sets, which sharing helps beyond the step."
        )


def _losers(found: Grouping) -> Iterator[str]:
    """The tasks that get less by these groups, the surest and worst first."""
    if len(found.groups) == 1:
        return
    gains, unit = found.by_task, _unit(found)
    worst = sorted((task for task in gains if gains[task].value < 0), key=lambda t: gains[t].value)
    for sure in (True, False):
        named = [task for task in worst if (task in found.losers) == sure]
        if not named:
            continue
        told = [f"{task} {_bracketed(gains[task], unit)}" for task in named[:_NAMED]]
        rest = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
        verb = "Loses by these groups" if sure else "May lose by them, not surely"
        yield f"{verb}: {', '.join(told)}{rest} × {_ten(unit)} of its loss a step."


def as_json(found: Grouping, names: Sequence[str]) -> dict[str, Any]:
    """All numbers; `affinity[i][j]` is of task i to task j."""
    return {
        "version": 1,
        "affinity_measure": found.measure,
        "metric": found.metric,
        "steps": found.steps,
        "tasks": list(found.tasks),
        "affinity": _rows(found.affinity),
        "low": _rows(found.low),
        "high": _rows(found.high),
        "groups": dict(zip(names, map(list, found.groups), strict=False)),
        "score": found.score,
        "score_together": found.together,
        "gain": asdict(found.gain),
        "gain_by_task": {task: asdict(gain) for task, gain in found.by_task.items()},
        "surely_gains": found.sure,
        "surely_lose": list(found.losers),
        "stability": found.stability,
        "together_share": _rows(found.pairs),
        "exact_search": found.exact,
    }


def _rows(matrix: Float[np.ndarray, "K K"]) -> list[list[float | None]]:
    return [[float(x) if np.isfinite(x) else None for x in row] for row in matrix]


def _unit(found: Grouping) -> float:
    return 10.0 ** power(float(np.nanmax(np.abs(found.affinity), initial=0.0)))


def _ten(unit: float) -> str:
    """10⁻⁵."""
    return "10" + str(power(unit * 1.0001)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _bracketed(gain: Bounded, unit: float) -> str:
    """+3.81 (+1.80 to +5.88)."""
    if gain.low is None or gain.high is None:
        return _number(gain.value, unit)
    return f"{_number(gain.value, unit)} ({_number(gain.low, unit)} to {_number(gain.high, unit)})"


def _number(value: float, unit: float) -> str:
    text = f"{abs(value) / unit:.2f}"
    if not any(digit in "123456789" for digit in text):
        return text
    return f"{'+' if value > 0 else MINUS}{text}"
