"""What one step says about how the tasks' gradients stand to each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from madrigal.gradients.gramian import Units, cosines, signals, task_gramian

Metric = Literal["raw", "adam", "update"]


@dataclass(frozen=True, slots=True)
class Angles:
    """Pairs are written `a|b`, in the order of the stage's tasks."""

    cosine: Mapping[str, float]
    norm: Mapping[str, float]  # of the mean-loss gradient of this step
    signal: Mapping[str, float]  # unbiased squared norm of the expected gradient, where known


@dataclass(frozen=True, slots=True)
class Conflict:
    """Angles between the tasks' gradients in one step, over everything and by layer group.

    `rate` is the share of pairs with a negative cosine (Yu et al., 2020, Definition 1).
    """

    rate: float
    angles: Angles
    metric: Metric
    layers: Mapping[str, Angles] = field(default_factory=dict)

    def without_signal(self, tasks: frozenset[str]) -> "Conflict":
        """The same with nothing said of these tasks' signals."""
        layers = {name: _silenced(found, tasks) for name, found in self.layers.items()}
        return replace(self, angles=_silenced(self.angles, tasks), layers=layers)


def _silenced(found: Angles, tasks: frozenset[str]) -> Angles:
    return replace(found, signal={t: s for t, s in found.signal.items() if t not in tasks})


def angles(tasks: Sequence[str], raw: Float[Tensor, "R R"], units: Units) -> Angles:
    """Cosines, norms and unbiased squared norms of the present tasks."""
    gramian = task_gramian(raw, units)
    cosine = cosines(gramian)
    norms = gramian.diagonal().clamp(min=0).sqrt()
    signal = signals(raw, units)
    return Angles(
        cosine={
            f"{tasks[i]}|{tasks[j]}": float(cosine[i, j])
            for i, j in combinations(range(len(tasks)), 2)
        },
        norm={task: float(norms[place]) for place, task in enumerate(tasks)},
        signal={
            task: float(signal[place])
            for place, task in enumerate(tasks)
            if not signal[place].isnan()
        },
    )


def conflict(
    tasks: Sequence[str],
    raw: Float[Tensor, "R R"],
    units: Units,
    metric: Metric,
    by_layer: Mapping[str, Float[Tensor, "R R"]],
) -> Conflict:
    """The step's conflict, from the Gramian of the ledger's rows (and of each layer group's)."""
    whole = angles(tasks, raw, units)
    pairs = list(whole.cosine.values())
    return Conflict(
        rate=sum(c < 0 for c in pairs) / len(pairs) if pairs else 0.0,
        angles=whole,
        metric=metric,
        layers={name: angles(tasks, part, units) for name, part in by_layer.items()},
    )
