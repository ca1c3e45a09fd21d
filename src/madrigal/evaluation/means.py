"""Means over examples with their intervals: examples of one cluster are drawn together."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from madrigal.evaluation.intervals import Resampling, vary
from madrigal.evaluation.parts import Summary, unvarying

Named = tuple[str, str]  # cluster and id of an example


def mean_over_examples(
    task: str, names: Sequence[Named], values: Sequence[float], resampling: Resampling
) -> Summary:
    """The mean of a number of each example, with the percentile bootstrap over clusters."""
    return ratio_over_examples(task, names, [(value, 1.0) for value in values], resampling)


def ratio_over_examples(
    task: str,
    names: Sequence[Named],
    parts: Sequence[tuple[float, float]],
    resampling: Resampling,
) -> Summary:
    """Sum of the first numbers by the sum of the second, with the bootstrap over clusters.

    The draws are those of the task's scores, so they are the same for every model and stage: means
    of paired differences have paired draws.
    """
    clusters: dict[str, list[float]] = {}
    for (cluster, _), (over, under) in sorted(zip(names, parts, strict=True)):
        held = clusters.setdefault(cluster, [0.0, 0.0])
        held[0] += over
        held[1] += under
    table: Float[np.ndarray, "G 2"] = np.array(list(clusters.values()))
    value = float(table[:, 0].sum() / table[:, 1].sum())
    totals = resampling.totals(task, table)
    draws = totals[:, 0] / totals[:, 1]
    if not vary(draws):
        low, high = unvarying(value, len(table), False, resampling.confidence)
        return Summary(value, low, high)
    low, high = resampling.percentiles(draws)
    return Summary(value, min(low, value), max(high, value))
