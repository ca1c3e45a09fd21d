"""The alignment tax: what a stage that learnt preferences, or from rewards, gained, and what other
tasks paid, at points on the way from the model before it to the model after it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.means import mean_over_examples
from madrigal.evaluation.metrics import METRICS
from madrigal.evaluation.paired import difference
from madrigal.evaluation.parts import Summary
from madrigal.evaluation.prediction import Prediction
from madrigal.evaluation.preferred import sided


@dataclass(frozen=True, slots=True)
class Said:
    """An answer of the model's own; `nats` is log pi - log pi_before of the whole of it."""

    id: str
    cluster: str
    prompt: str
    output: str
    written: tuple[int, ...]
    ended: bool
    nats: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What was measured at a point: predictions and answers by task, and what the answers are worth
    by task and who says so."""

    predictions: Mapping[str, Sequence[Prediction]]
    answers: Mapping[str, Sequence[Said]] = field(default_factory=dict)
    worth: Mapping[str, Mapping[str, Sequence[float | None]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """A mean at a point, and its paired change since the stage began; p where it was tested."""

    value: float
    low: float | None
    high: float | None
    change: Summary
    p: float | None = None


@dataclass(frozen=True, slots=True)
class Gain:
    """Something that the stage was to raise: `what` of `task`, by share of the way."""

    task: str
    what: str  # a reward by its name, a metric, or the margin of judged answers in nats
    points: Mapping[float, Change]


@dataclass(frozen=True, slots=True)
class Paid:
    """The score of another task, in the metric's own unit and sign, by share of the way."""

    task: str
    metric: str
    points: Mapping[float, Change]

    def lost(self, share: float) -> bool:
        """Surely worse at a point than before the stage."""
        found = self.points[share].change
        if METRICS[self.metric].direction == "lower":
            return found.low is not None and found.low > 0
        return found.high is not None and found.high < 0


@dataclass(frozen=True, slots=True)
class Tax:
    """All of it. `mean` is the mean change of the other tasks' scores, `away` the nats that answers
    are away from the model before the stage."""

    shares: tuple[float, ...]
    gains: tuple[Gain, ...]
    paid: tuple[Paid, ...]
    mean: Mapping[float, Summary]
    away: Mapping[str, Mapping[float, Summary]]

    def free(self) -> float:
        """The largest share of the points, from the beginning on, up to which no other task surely
        lost."""
        best = 0.0
        for share in self.shares:
            if any(one.lost(share) for one in self.paid):
                break
            best = share
        return best


def tax(
    seen: Mapping[float, Seen],
    metrics: Mapping[str, str],
    own: Sequence[str],
    resampling: Resampling = Resampling(),
) -> Tax:
    """From what was measured at points, the first of which is 0. `own` are the tasks by which the
    stage learnt what is better; the other ones pay."""
    shares = tuple(sorted(seen))
    others = [task for task in metrics if task not in own]
    paid = tuple(
        Paid(task, metrics[task], _scores(seen, task, metrics[task], resampling)) for task in others
    )
    return Tax(
        shares=shares,
        gains=tuple(_gains(seen, metrics, own, resampling)),
        paid=paid,
        mean={share: _mean_change(paid, share) for share in shares} if paid else {},
        away={
            task: {share: _away(seen[share], task, resampling) for share in shares}
            for task in seen[0.0].answers
        },
    )


def _gains(
    seen: Mapping[float, Seen], metrics: Mapping[str, str], own: Sequence[str], by: Resampling
) -> list[Gain]:
    found = []
    for task, names in seen[0.0].worth.items():
        found += [Gain(task, name, _worths(seen, task, name, by)) for name in names]
    for task in own:
        if metrics[task] == "agreement":
            found.append(Gain(task, "margin", _margins(seen, task, by)))
        else:
            found.append(Gain(task, metrics[task], _scores(seen, task, metrics[task], by)))
    return [one for one in found if one.points]


def _scores(
    seen: Mapping[float, Seen], task: str, metric: str, by: Resampling
) -> dict[float, Change]:
    found = {}
    for share, one in seen.items():
        told = difference(seen[0.0].predictions[task], one.predictions[task], metric, by)
        change = Summary(told.difference, told.low, told.high)
        found[share] = Change(told.second, None, None, change, told.p)
    return found


def _worths(
    seen: Mapping[float, Seen], task: str, name: str, by: Resampling
) -> dict[float, Change]:
    values = {
        share: {
            (row.cluster, row.id): value
            for row, value in zip(one.answers[task], one.worth[task][name], strict=True)
            if value is not None
        }
        for share, one in seen.items()
    }
    return _changes(task, values, by)


def _margins(seen: Mapping[float, Seen], task: str, by: Resampling) -> dict[float, Change]:
    values = {
        share: {
            (row.cluster, row.id): row.chosen - row.rejected for row in sided(one.predictions[task])
        }
        for share, one in seen.items()
    }
    return _changes(task, values, by)


def _changes(
    task: str, values: Mapping[float, Mapping[tuple[str, str], float]], by: Resampling
) -> dict[float, Change]:
    """Of the examples that have a value at every point."""
    names = [name for name in values[0.0] if all(name in held for held in values.values())]
    if not names:
        return {}
    found = {}
    for share, held in values.items():
        level = mean_over_examples(task, names, [held[name] for name in names], by)
        moves = [held[name] - values[0.0][name] for name in names]
        change = mean_over_examples(task, names, moves, by)
        found[share] = Change(level.value, level.low, level.high, change)
    return found


def _away(seen: Seen, task: str, by: Resampling) -> Summary:
    rows = seen.answers[task]
    return mean_over_examples(
        task, [(row.cluster, row.id) for row in rows], [row.nats for row in rows], by
    )


def _mean_change(paid: Sequence[Paid], share: float) -> Summary:
    """Mean over tasks of the change of their scores, perplexity left out, which has another scale.

    The tasks' examples are different ones, so what lies between a mean and its bounds adds up in
    quadrature (MOVER; Zou and Donner, 2008): d = sqrt(sum_k d_k^2) / K.
    """
    changes = [one.points[share].change for one in paid if one.metric != "perplexity"]
    if not changes:
        return Summary(0.0, None, None)
    count = len(changes)
    value = sum(one.value for one in changes) / count
    ends = []
    for side in ("low", "high"):
        bounds = [getattr(one, side) for one in changes]
        if any(bound is None for bound in bounds):
            ends.append(None)
            continue
        off = [bound - one.value for bound, one in zip(bounds, changes, strict=True)]
        far = math.sqrt(sum(one**2 for one in off)) / count
        ends.append(value - far if side == "low" else value + far)
    return Summary(value, *ends)
