"""Several runs that differ by their seed: how much is the run, how much is the sample."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from madrigal.evaluation.intervals import Resampling, drawn
from madrigal.evaluation.prediction import Prediction


@dataclass(frozen=True, slots=True)
class SeedScore:
    """Mean score of several runs; `run_sd` is what changes from run to run on the same examples.

    `low` and `high` cover both chance in the run and chance in the examples; `sample_low` and
    `sample_high` the examples alone, for the mean of these very runs.
    """

    mean: float
    run_sd: float
    low: float
    high: float
    sample_low: float
    sample_high: float
    runs: tuple[float, ...]


def over_seeds(
    runs: Sequence[Sequence[Prediction]], metric: str, resampling: Resampling = Resampling()
) -> SeedScore:
    """Score of at least two runs on the same examples, by the hierarchical bootstrap.

    Each draw takes runs with replacement, then examples. The examples are drawn once for all runs:
    every run saw the same ones, so drawing them anew for each would average their chance away. The
    spread over runs is widened by sqrt(S / (S - 1)), because a bootstrap of S runs has the variance
    with divisor S. With fewer than three runs the interval is little more than a hint.
    """
    _check(runs)
    scores = [drawn(rows, metric, resampling) for rows in runs]
    values = np.array([s.score.value for s in scores])
    return spread(values, np.stack([s.values for s in scores]), resampling)


def difference_over_seeds(
    ours: Sequence[Sequence[Prediction]],
    theirs: Sequence[Sequence[Prediction]],
    metric: str,
    resampling: Resampling = Resampling(),
) -> SeedScore:
    """How much higher one setting scores than another, run by run with the same seed.

    As `over_seeds`, of the differences: both members of a pair of runs are scored on the same drawn
    examples, so what is easy or hard for both drops out.
    """
    if len(ours) != len(theirs):
        raise ValueError("difference_over_seeds needs as many runs of one setting as of the other")
    _check([*ours, *theirs])
    pairs = [
        (drawn(one, metric, resampling), drawn(two, metric, resampling))
        for one, two in zip(ours, theirs, strict=True)
    ]
    values = np.array([one.score.value - two.score.value for one, two in pairs])
    return spread(values, np.stack([one.values - two.values for one, two in pairs]), resampling)


def _check(runs: Sequence[Sequence[Prediction]]) -> None:
    if len(runs) < 2:
        raise ValueError("over_seeds needs the predictions of at least two runs")
    if len({frozenset(row.id for row in rows) for rows in runs}) > 1:
        raise ValueError("over_seeds needs runs that were evaluated on the same examples")


def spread(
    values: Float[np.ndarray, " S"], draws: Float[np.ndarray, "S draws"], resampling: Resampling
) -> SeedScore:
    """The score of runs whose values are given, and the values in each draw of the examples."""
    size = len(values)
    random = np.random.default_rng([resampling.seed, size])
    taken = random.multinomial(size, np.full(size, 1 / size), size=draws.shape[1]).T / size
    centre = draws.mean(axis=0)
    both = centre + np.sqrt(size / (size - 1)) * ((taken * draws).sum(axis=0) - centre)
    low, high = resampling.percentiles(both)
    sample_low, sample_high = resampling.percentiles(centre)
    return SeedScore(
        mean=float(values.mean()),
        run_sd=float(values.std(ddof=1)),
        low=low,
        high=high,
        sample_low=sample_low,
        sample_high=sample_high,
        runs=tuple(float(v) for v in values),
    )
