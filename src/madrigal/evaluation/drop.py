"""How much lower some tasks score than before, on the same examples, and how sure that is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from madrigal.evaluation.prediction import Prediction

Scores = Mapping[str, float]  # of one task's examples, by id


@dataclass(frozen=True, slots=True)
class Drop:
    """Before minus after, from 0 to 1: mean over tasks, its one-sided lower bound, each task's."""

    mean: float
    low: float
    tasks: Mapping[str, float]

    @property
    def worst(self) -> str:
        """The task that dropped most."""
        return max(self.tasks, key=lambda task: self.tasks[task])


def drop(before: Mapping[str, Scores], after: Mapping[str, Scores], level: float = 0.95) -> Drop:
    """The mean over tasks of the mean paired drop of their examples' scores.

    With d_ki the drop of example i of task k, n_k of them, and K tasks, the mean is
    (1/K) sum_k mean_i d_ki, its standard error (1/K) sqrt(sum_k var_i(d_ki) / n_k), and the bound
    is the mean less z_level standard errors: the drop is larger in `level` of such samples. Where
    a task's examples all moved alike, their variance counts as that of one example that moved by 1.
    """
    means, variance = {}, 0.0
    for task, held in before.items():
        moved = np.array([held[name] - after[task][name] for name in held])
        means[task] = float(moved.mean())
        count = len(moved)
        spread = float(moved.var(ddof=1)) if count > 1 else 1.0
        variance += max(spread, 1 / count) / count
    mean = sum(means.values()) / len(means)
    error = math.sqrt(variance) / len(means)
    return Drop(mean, mean - NormalDist().inv_cdf(level) * error, means)


def example_scores(rows: list[Prediction]) -> dict[str, float]:
    """Each example's score from 0 to 1; of raw text the inverse of its perplexity."""
    return {row.id: _score(row) for row in rows}


def _score(row: Prediction) -> float:
    if row.nats is None or not row.tokens:
        return row.score
    return math.exp(-row.nats / row.tokens)
