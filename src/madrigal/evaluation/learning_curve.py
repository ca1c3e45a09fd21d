"""Score against the number of examples: fine-tuned on them, or shown them in the context."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from madrigal.evaluation.intervals import Resampling, score
from madrigal.evaluation.metrics import METRICS
from madrigal.evaluation.prediction import Prediction
from madrigal.evaluation.seeds import SeedScore, difference_over_seeds, over_seeds

BASE, RUN, CONTEXT = "base", "run", "context"
# What is subtracted from what, at every number of examples that both have.
_AGAINST = ((BASE, CONTEXT), (RUN, CONTEXT), (RUN, BASE))

# By way, then number of examples, then draw: predictions for the same test examples.
Cells = Mapping[str, Mapping[int, Sequence[Sequence[Prediction]]]]


@dataclass(frozen=True, slots=True)
class Point:
    """A score, or a difference of two, at one number of examples.

    `low` and `high` cover chance in the draws and in the test examples together where there are
    several draws, of which `sd` is the spread; else the test examples alone. `shown` is how many
    examples the context had room for, on average.
    """

    shots: int
    value: float
    low: float | None
    high: float | None
    draws: tuple[float, ...]
    sd: float | None = None
    shown: float | None = None


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """How a task's score grows with its examples, in each way, and between the ways."""

    task: str
    metric: str
    n: int
    chance: float
    ways: Mapping[str, tuple[Point, ...]]
    differences: Mapping[str, tuple[Point, ...]]  # "run - base"

    def to_json(self) -> dict[str, Any]:
        """Plain data; a field stands only where it was measured."""
        body = asdict(self)
        for table in ("ways", "differences"):
            body[table] = {
                name: [{k: v for k, v in point.items() if v is not None} for point in points]
                for name, points in body[table].items()
            }
        return body


def learning_curve(metric: str, cells: Cells, resampling: Resampling) -> LearningCurve:
    """The curve of one task. Differences are paired: same draw, same test examples."""
    some = next(rows for way in cells.values() for draws in way.values() for rows in draws)
    pairs = [pair for pair in _AGAINST if all(way in cells for way in pair)]
    return LearningCurve(
        task=some[0].task,
        metric=metric,
        n=len(some),
        chance=METRICS[metric].chance(some),
        ways={
            way: tuple(_point(n, draws, metric, resampling) for n, draws in sorted(held.items()))
            for way, held in cells.items()
        },
        differences={
            f"{one} - {other}": tuple(
                _difference(n, draws, cells[other][n], metric, resampling)
                for n, draws in sorted(cells[one].items())
                if len(draws) == len(cells[other].get(n, ())) > 1
            )
            for one, other in pairs
        },
    )


def _point(
    shots: int, draws: Sequence[Sequence[Prediction]], metric: str, resampling: Resampling
) -> Point:
    counts = [row.shots for rows in draws for row in rows if row.shots is not None]
    shown = sum(counts) / len(counts) if counts else None
    if len(draws) == 1:
        one = score(draws[0], metric, resampling)
        return Point(shots, one.value, one.low, one.high, (one.value,), shown=shown)
    return _of(shots, over_seeds(draws, metric, resampling), shown)


def _difference(
    shots: int,
    ours: Sequence[Sequence[Prediction]],
    theirs: Sequence[Sequence[Prediction]],
    metric: str,
    resampling: Resampling,
) -> Point:
    return _of(shots, difference_over_seeds(ours, theirs, metric, resampling), None)


def _of(shots: int, found: SeedScore, shown: float | None) -> Point:
    return Point(shots, found.mean, found.low, found.high, found.runs, found.run_sd, shown)
