"""What became of the answers that people preferred: their log-probability, and the others'."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import numpy as np

from madrigal.evaluation.agreement import Judging
from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.means import mean_over_examples
from madrigal.evaluation.plan import BASE, Plan, Predictions
from madrigal.evaluation.prediction import Prediction


@dataclass(frozen=True, slots=True)
class Sided:
    """Of one example: log-probabilities in nats of whole answers, and tokens of the preferred.

    Means over its pairs in which most people preferred one answer, which is the chosen one.
    """

    id: str
    cluster: str
    chosen: float
    rejected: float
    tokens: float


@dataclass(frozen=True, slots=True)
class Moved:
    """A mean over examples before and after, and the mean of the paired change."""

    before: float
    after: float
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Preferred:
    """What became of the chosen and the rejected answers of n examples, in nats an answer."""

    n: int
    tokens: float  # of a chosen answer, on average
    chosen: Moved
    rejected: Moved
    margin: Moved  # chosen less rejected


@dataclass(frozen=True, slots=True)
class Fall:
    """How much less likely chosen answers became, in nats an answer: mean, surely at least."""

    mean: float
    low: float


def sided(rows: Sequence[Prediction]) -> list[Sided]:
    """The two sides of every example of judged answers in which most people preferred one."""
    found = []
    for row in rows:
        pairs = _pairs(row.judging) if row.judging is not None else []
        if pairs:
            assert row.judging is not None
            logps, tokens = row.judging.logps, row.judging.tokens
            better, worse = zip(*pairs, strict=True)
            each = [np.mean([logps[k] for k in side]) for side in (better, worse)]
            length = float(np.mean([tokens[k] for k in better]))
            found.append(Sided(row.id, row.cluster, float(each[0]), float(each[1]), length))
    return found


def _pairs(judging: Judging) -> list[tuple[int, int]]:
    """(better, worse) of every pair that is no tie."""
    return [
        (better, worse)
        for better, row in enumerate(judging.wins)
        for worse, chance in enumerate(row)
        if chance > 0.5  # nan is not
    ]


def moved(
    task: str, before: Sequence[Sided], after: Sequence[Sided], resampling: Resampling
) -> Preferred | None:
    """Paired changes of the examples that both have; None where there is none."""
    earlier = {one.id: one for one in before}
    pairs = [(earlier[one.id], one) for one in after if one.id in earlier]
    if not pairs:
        return None
    names = [(one.cluster, one.id) for _, one in pairs]

    def change(side: str) -> Moved:
        values = [(_side(one, side), _side(two, side)) for one, two in pairs]
        then, now = (float(np.mean(column)) for column in zip(*values, strict=True))
        moves = [two - one for one, two in values]
        mean = mean_over_examples(task, names, moves, resampling)
        return Moved(then, now, mean.value, mean.low, mean.high)

    tokens = float(np.mean([one.tokens for _, one in pairs]))
    return Preferred(len(pairs), tokens, change("chosen"), change("rejected"), change("margin"))


def _side(one: Sided, side: str) -> float:
    return one.chosen - one.rejected if side == "margin" else getattr(one, side)


def fall(before: Sequence[Sided], after: Sequence[Sided], level: float = 0.95) -> Fall | None:
    """How much less likely the chosen answers became; None without two examples.

    With d_i the fall of example i's chosen log-probability, n of them, the mean is mean_i d_i and
    the bound the mean less z_level sqrt(var_i(d_i) / n): the fall is larger in `level` of such
    samples.
    """
    now = {one.id: one.chosen for one in after}
    falls = np.array([one.chosen - now[one.id] for one in before if one.id in now])
    if len(falls) < 2:  # one has no spread
        return None
    error = float(falls.std(ddof=1)) / math.sqrt(len(falls))
    return Fall(float(falls.mean()), float(falls.mean()) - NormalDist().inv_cdf(level) * error)


def preferences(predictions: Predictions, plan: Plan) -> dict[str, Any]:
    """`preferences` by stage and task: each stage that trains on judged answers, against the row
    before it that evaluated them. Nothing where no stage does."""
    rows = [BASE, *plan.learned]
    found: dict[str, dict[str, Any]] = {}
    for task in plan.metrics:
        there = [row for row in rows if predictions.get(row, {}).get(task)]
        for before, after in pairwise(there):
            if task in plan.learned[after]:
                then, now = (sided(predictions[row][task]) for row in (before, after))
                change = moved(task, then, now, plan.resampling)
                if change is not None:
                    found.setdefault(after, {})[task] = {"from": before, **asdict(change)}
    return {"preferences": found} if found else {}
