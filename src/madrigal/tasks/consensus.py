"""Several people's judgements of the answers to a prompt, as one."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

from madrigal.tasks.feedback import ALONE, Feedback, Judgement

# How much the judgements of an annotator count, 0 or more; of somebody unknown, of "".
Trust = Callable[[str], float]


def alike(annotator: str) -> float:  # noqa: ARG001
    """Everybody counts the same."""
    return 1.0


@dataclass(frozen=True, slots=True)
class Consensus:
    """What people together say of K answers.

    `wins[i][k]` is the share of judgements in which answer i is above answer k; nan where nobody
    compared them, and on the diagonal. `values[k]` is the mean rating of answer k scaled to [0, 1],
    or its share of thumbs up; nan where it has neither.
    """

    wins: tuple[tuple[float, ...], ...]
    values: tuple[float, ...]


def consensus(said: Feedback, trust: Trust = alike) -> Consensus:
    r"""The weighted mean of judgements.

    Judgement j of annotator a(j), given by n_j people, weighs w_j = n_j * trust(a(j)), and

        wins[i][k] = sum_j w_j u_j(i, k) / sum_j w_j,    u = 1 if i is above k, 1/2 in a tie, else 0

    over the judgements that have a value for both, or u = the chance that the judge gave; values[k]
    is the same mean of the ratings of k, of which the lowest of the scale becomes 0 and the highest
    1.

    Answers that were rated alone, no two by the same person, are compared by their means: then
    wins is 1, 1/2 or 0.
    """
    count = len(said.answers)
    values = tuple(_value(said, k, trust) for k in range(count))
    wins = [[math.nan] * count for _ in range(count)]
    for i, k in product(range(count), repeat=2):
        if i != k:
            wins[i][k] = _mean([(_above(j, i, k), _weight(j, trust)) for j in said.judgements])
            if math.isnan(wins[i][k]) and said.kind in ALONE:
                wins[i][k] = _order(values[i], values[k])
    return Consensus(tuple(map(tuple, wins)), values)


def _weight(judgement: Judgement, trust: Trust) -> float:
    return judgement.people * trust(judgement.annotator)


def _above(judgement: Judgement, i: int, k: int) -> float | None:
    one, other = judgement.values[i], judgement.values[k]
    if judgement.chance is not None:
        return judgement.chance if i < k else 1.0 - judgement.chance
    return None if one is None or other is None else _order(one, other)


def _order(one: float, other: float) -> float:
    if math.isnan(one) or math.isnan(other):
        return math.nan
    return 0.5 if one == other else float(one > other)


def _value(said: Feedback, k: int, trust: Trust) -> float:
    if said.kind not in ALONE:
        return math.nan
    mean = _mean([(j.values[k], _weight(j, trust)) for j in said.judgements])
    low, high = said.scale or (0.0, 1.0)
    return (mean - low) / (high - low)


def _mean(weighted: list[tuple[float | None, float]]) -> float:
    """The weighted mean of what is there; nan where nothing is, or nothing counts."""
    there = [(value, weight) for value, weight in weighted if value is not None]
    total = sum(weight for _, weight in there)
    return sum(value * weight for value, weight in there) / total if total > 0 else math.nan
