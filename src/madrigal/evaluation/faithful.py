"""How faithful a model is to people: where it agrees with them, how sure it is, what it goes by."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from madrigal.evaluation.calibration import Calibration, calibration
from madrigal.evaluation.compared import Compared, Strength, compared
from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.measure import Measure, around, shares
from madrigal.evaluation.prediction import Prediction

# What the model's opinion of an answer is: the score of its reward head; its log-probability by
# token; or how far this rose since the stage began, which is DPO's implicit reward up to beta.
Opinion = Literal["reward", "likelihood", "log_ratio"]

ALIKE = math.log(1.1)  # answers whose lengths differ by less than a tenth
_DRAWS = 1000
_FEWEST, _MOST_VALUES = 10, 8  # pairs of a slice by field, and slices a field


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of the pairs: `by` what they were taken, and which. `most` is the accuracy of a model
    that always sides with most people, on these very votes."""

    by: str
    name: str
    accuracy: Measure
    most: float


@dataclass(frozen=True, slots=True)
class Faithful:
    """A model's opinion of answers against people's; n counts pairs and prompts count alike.

    Accuracies are shares of people who agree with the model, over pairs that are no tie.
    `model_longer` and `people_longer` are the shares in which each prefers the longer answer, and
    `length_correlation` is Pearson's of opinion and log length, both less their prompt's mean.
    `gap` is the mean by which the better answer is ahead, in the opinion's own unit.
    """

    opinion: Opinion
    pairs: int
    ties: int
    accuracy: Measure
    most: float
    slices: tuple[Slice, ...]
    strength_of: Strength
    model_longer: Measure | None
    people_longer: Measure | None
    length_correlation: Measure | None
    gap: Measure
    calibration: Calibration


def opinions(
    rows: Sequence[Prediction], before: Sequence[Prediction] | None, resampling: Resampling
) -> tuple[Faithful, ...]:
    """Each opinion that the rows of a task tell; `before` are those of the stage's beginning.

    Rows whose answers nobody compared with one another tell none.
    """
    kept = [row for row in rows if row.judging is not None]
    draws = replace(resampling, draws=min(_DRAWS, resampling.draws))
    if kept and all(row.judging is not None and row.judging.rewards is not None for row in kept):
        found = [_faithful("reward", kept, [_worth(row) for row in kept], draws)]
    else:
        found = [_faithful("likelihood", kept, [_worth(row) for row in kept], draws)]
        starts = {row.id: row for row in before or ()}
        if before is not None and all(row.id in starts for row in kept):
            ratios = [_logps(row) - _logps(starts[row.id]) for row in kept]
            found.append(_faithful("log_ratio", kept, ratios, draws))
    return tuple(one for one in found if one is not None)


def _worth(row: Prediction) -> Float[np.ndarray, " K"]:
    assert row.judging is not None
    return np.array(row.judging.worth)


def _logps(row: Prediction) -> Float[np.ndarray, " K"]:
    assert row.judging is not None
    return np.array(row.judging.logps)


def _faithful(
    opinion: Opinion,
    rows: Sequence[Prediction],
    worth: Sequence[Float[np.ndarray, " _"]],
    resampling: Resampling,
) -> Faithful | None:
    known = {id(row): values for row, values in zip(rows, worth, strict=True)}
    pairs = compared(rows, lambda row: known[id(row)].tolist())
    if not pairs.decided.any():
        return None
    parts = [(by, name, among & pairs.decided) for by, name, among in _parts(pairs, rows)]
    differ = pairs.decided & (pairs.longer != 0)
    asked = [(pairs.agree, pairs.decided), *((hits, differ) for hits in _longer(pairs))]
    asked += [(pairs.agree, among) for _, _, among in parts]
    accuracy, model, people, *each = _shares(pairs, asked, resampling)
    assert accuracy is not None
    return Faithful(
        opinion=opinion,
        pairs=len(pairs.wins),
        ties=int((~pairs.decided).sum()),
        accuracy=accuracy,
        most=_most(pairs, pairs.decided),
        slices=tuple(
            Slice(by, name, found, _most(pairs, among))
            for (by, name, among), found in zip(parts, each, strict=True)
            if found is not None
        ),
        strength_of=pairs.strength_of,
        model_longer=model,
        people_longer=people,
        length_correlation=_correlation(rows, worth, resampling),
        gap=_gap(pairs, resampling),
        calibration=calibration(pairs, resampling, scaled=opinion != "reward"),
    )


def _shares(
    pairs: Compared,
    asked: Sequence[tuple[Float[np.ndarray, " P"], Bool[np.ndarray, " P"]]],
    resampling: Resampling,
) -> list[Measure | None]:
    """The mean of some values over some pairs, prompts alike; n counts pairs."""
    weighed = [(pairs.weights(among), hits) for hits, among in asked]
    columns = [(weights * hits, weights) for weights, hits in weighed]
    found = shares(columns, pairs.cluster, resampling)
    return [
        None if one is None else replace(one, n=int(among.sum()))
        for one, (_, among) in zip(found, asked, strict=True)
    ]


def _most(pairs: Compared, among: Bool[np.ndarray, " P"]) -> float:
    weights = pairs.weights(among)
    total = float(weights.sum())
    return float(weights @ np.maximum(pairs.wins, 1 - pairs.wins) / total) if total else math.nan


def _parts(
    pairs: Compared, rows: Sequence[Prediction]
) -> Iterator[tuple[str, str, Bool[np.ndarray, " P"]]]:
    strength = pairs.strength
    known = pairs.decided & ~np.isnan(strength)
    if known.any() and np.ptp(strength[known]) > 0:
        middle = np.median(strength[known])
        clear = strength > middle
        if not (clear & known).any():  # more than half are as clear as can be
            clear = strength >= middle
        yield "strength", "clear", known & clear
        yield "strength", "slight", known & ~clear
    lead = np.where(pairs.wins > 0.5, pairs.longer, -pairs.longer)
    yield "length", "longer", lead > ALIKE
    yield "length", "alike", np.abs(lead) <= ALIKE
    yield "length", "shorter", lead < -ALIKE
    for field in dict.fromkeys(name for row in rows for name in row.slices or ()):
        held = np.array([(row.slices or {}).get(field, "") for row in rows])[pairs.row]
        values, counts = np.unique(held[pairs.decided], return_counts=True)
        order = np.argsort(-counts, kind="stable")[:_MOST_VALUES]
        shown = [str(values[k]) for k in order if values[k] and counts[k] >= _FEWEST]
        for value in shown if len(values) > 1 else ():
            yield field, value, held == value


def _longer(pairs: Compared) -> Iterator[Float[np.ndarray, " P"]]:
    """The share of opinions for the longer answer: the model's, the people's."""
    up = pairs.longer > 0
    yield np.where(pairs.ahead == 0, 0.5, ((pairs.ahead > 0) == up).astype(np.float64))
    yield np.where(up, pairs.wins, 1 - pairs.wins)


def _correlation(
    rows: Sequence[Prediction], worth: Sequence[Float[np.ndarray, " _"]], resampling: Resampling
) -> Measure | None:
    clusters = {name: n for n, name in enumerate(dict.fromkeys(row.cluster for row in rows))}
    sums, count = np.zeros((len(clusters), 3)), 0
    for row, values in zip(rows, worth, strict=True):
        assert row.judging is not None
        size = np.log([max(1, len(text)) for text in row.judging.answers])
        x, y = values - values.mean(), size - size.mean()
        sums[clusters[row.cluster]] += x @ y, x @ x, y @ y
        count += len(values)
    if not (sums[:, 1].any() and sums[:, 2].any()):
        return None
    drawn = np.array([_pearson(one) for one in resampling.totals("feedback", sums)])
    return around(_pearson(sums.sum(axis=0)), drawn, count, resampling)


def _pearson(sums: Float[np.ndarray, "3"]) -> float:
    scale = math.sqrt(sums[1] * sums[2])
    return float(sums[0] / scale) if scale > 0 else math.nan


def _gap(pairs: Compared, resampling: Resampling) -> Measure:
    weights = pairs.weights(pairs.decided)
    signed = weights * np.sign(pairs.wins - 0.5) * pairs.ahead
    sums = np.zeros((int(pairs.cluster.max()) + 1, 2))
    np.add.at(sums, pairs.cluster, np.stack([signed, weights], axis=1))
    totals = resampling.totals("feedback", sums)
    drawn = totals[:, 0] / np.where(totals[:, 1] > 0, totals[:, 1], np.nan)
    value, n = float(signed.sum() / weights.sum()), int(pairs.decided.sum())
    return around(value, drawn, n, resampling)
