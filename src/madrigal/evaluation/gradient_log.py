"""What a stage's steps.jsonl says of its tasks' gradients, as arrays over the steps."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Float, Int

_MOST = 1e100  # a larger number is not finite when it is squared, and no gradient anyway
_REACH = 2  # measured steps before and after that say how long a gradient is about now

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GradientLog:
    """Per-task gradients of T measured steps, K tasks, P = K (K - 1) / 2 pairs. NaN: not measured.

    `norm` is the length of the task's mean-loss gradient g, `signal` the inner product of the mean
    gradients of the two halves of its examples: an unbiased estimate of |E g|^2, at times negative.
    `metric` says whether inner products are plain ("raw"), Adam's ("adam") or those of the updates
    that plain steps make to the weights ("update").
    """

    tasks: tuple[str, ...]
    metric: str
    steps: Int[np.ndarray, " T"]
    cosine: Float[np.ndarray, "T P"]
    norm: Float[np.ndarray, "T K"]
    signal: Float[np.ndarray, "T K"]
    rows: Float[np.ndarray, "T K"]
    loss: Float[np.ndarray, "T K"]
    weight: Float[np.ndarray, "T K"]
    rate: Float[np.ndarray, " T"]  # learning rate

    @property
    def stands_for(self) -> Float[np.ndarray, " T"]:
        """How many steps each measured one stands for, 1 on average; see `standing`."""
        return standing(self.steps)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The tasks' places, pair by pair, in the order of the columns of `cosine`."""
        return tuple(combinations(range(len(self.tasks)), 2))

    def dot(self, pair: int) -> Float[np.ndarray, " T"]:
        """g_i . g_j, which different examples make unbiased already."""
        i, j = self.pairs[pair]
        return self.cosine[:, pair] * self.norm[:, i] * self.norm[:, j]

    def scale(self) -> Float[np.ndarray, "T K"]:
        """How long each task's gradient is around a step: root mean square over its neighbours."""
        return np.stack([_smooth(column) for column in self.norm.T], axis=1)


def read_gradients(lines: Sequence[Line], group: str | None = None) -> GradientLog | None:
    """The measured steps of a stage, of all parameters or of one layer group; None without any.

    Skipped steps are left out. Whatever in the lines is no finite number counts as not measured.
    """
    kept = [
        (line, part)
        for line in lines
        if "skipped" not in line and _whole(line.get("step")) and (part := _part(line, group))
    ]
    tasks = _tasks(kept)
    if not kept or len(tasks) < 2:
        return None
    names = [f"{a}|{b}" for a, b in combinations(tasks, 2)]
    metrics = [str(metric) for line, _ in kept if (metric := _conflict(line).get("metric"))]
    return GradientLog(
        tasks=tasks,
        metric=metrics[-1] if metrics else "raw",
        steps=np.array([int(line["step"]) for line, _ in kept]),
        cosine=_table((part.get("cosine") for _, part in kept), names),
        norm=_table((part.get("norm") for _, part in kept), tasks),
        signal=_table((part.get("signal") for _, part in kept), tasks),
        rows=_table((line.get("rows") for line, _ in kept), tasks),
        loss=_table((line.get("loss") for line, _ in kept), tasks),
        weight=_table((line.get("weight") for line, _ in kept), tasks),
        rate=np.array([_number(line.get("lr")) for line, _ in kept]),
    )


def standing(steps: Int[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    """The steps around each measured one that are nearer to it than to any other, 1 on average.

    Where the first steps of a stage are measured more often than the rest, sums over the measured
    steps would speak of the start alone; with these weights they speak of the stage. The first and
    the last one reach outwards as far as inwards, but no further than the median distance.
    """
    if len(steps) < 2:
        return np.ones(len(steps))
    gaps = np.maximum(np.diff(steps), 1).astype(np.float64)
    ends = np.minimum(gaps[[0, -1]], np.median(gaps))
    gaps = np.concatenate([ends[:1], gaps, ends[1:]])
    reach = (gaps[:-1] + gaps[1:]) / 2
    return reach / reach.mean()


def as_many_as(stand: Float[np.ndarray, " T"]) -> int:
    """How many steps of equal weight would tell as much as these: (sum w)^2 / sum w^2 (Kish)."""
    return max(1, round(float(stand.sum() ** 2 / (stand**2).sum())))


def layer_groups(lines: Iterable[Line]) -> tuple[str, ...]:
    """The names of the layer groups that were measured, in the order of the file."""
    found = (_mapping(_conflict(line).get("layers")) for line in lines)
    return tuple(dict.fromkeys(str(name) for layers in found for name in layers))


def _tasks(kept: Sequence[tuple[Line, Line]]) -> tuple[str, ...]:
    """The stage's order, as the names of pairs have it: a|b says that a stands before b."""
    before: dict[str, set[str]] = {}
    for _, part in kept:
        for name in _mapping(part.get("norm")):
            before.setdefault(str(name), set())
        for name in _mapping(part.get("cosine")):
            first, bar, second = str(name).partition("|")
            if bar:
                before.setdefault(first, set())
                before.setdefault(second, set()).add(first)
    try:
        return tuple(TopologicalSorter(before).static_order())
    except CycleError:
        return tuple(before)


def _part(line: Line, group: str | None) -> Line:
    whole = _conflict(line)
    return whole if group is None else _mapping(_mapping(whole.get("layers")).get(group))


def _conflict(line: Line) -> Line:
    return _mapping(line.get("conflict"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _MOST:
        return math.nan
    return float(value)


def _table(rows: Iterable[Any], names: Sequence[str]) -> Float[np.ndarray, "T F"]:
    found = [[_number(_mapping(row).get(name)) for name in names] for row in rows]
    return np.array(found, dtype=np.float64).reshape(-1, len(names))


def _smooth(norm: Float[np.ndarray, " T"]) -> Float[np.ndarray, " T"]:
    known = np.flatnonzero(np.isfinite(norm))
    squared = norm[known] ** 2
    upto = np.concatenate([[0.0], np.cumsum(squared)])
    places = np.arange(len(known))
    first, last = np.maximum(places - _REACH, 0), np.minimum(places + _REACH + 1, len(known))
    found = np.full(len(norm), np.nan)
    if len(known) > 1:
        # Without the step itself: its noise must not stand above and below the fraction.
        others = upto[last] - upto[first] - squared
        found[known] = np.sqrt(np.maximum(others, 0.0) / (last - first - 1))
    return np.where(found > 0, found, np.nan)
