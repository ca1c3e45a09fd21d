"""Pairs of answers that people compared, with what a model thinks of each."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from madrigal.evaluation.agreement import Judging
from madrigal.evaluation.prediction import Prediction

# What says how clearly one answer is better: the margin in the data, the distance of ratings, of
# places in a ranking, or how far the votes are from a tie.
Strength = Literal["margin", "rating", "places", "votes"]

_Matrix = Float[np.ndarray, "K K"]


@dataclass(frozen=True, slots=True)
class Compared:
    """One entry a pair of answers to one prompt that somebody compared.

    `wins` is the share of people who found the first better, `ahead` by how much the model thinks
    so, `longer` log(length of the first / length of the second) in characters, and `strength` how
    clearly one is better, nan where that is not known. `row` is the number of the prediction.
    """

    wins: Float[np.ndarray, " P"]
    ahead: Float[np.ndarray, " P"]
    longer: Float[np.ndarray, " P"]
    strength: Float[np.ndarray, " P"]
    strength_of: Strength
    row: Int[np.ndarray, " P"]
    cluster: Int[np.ndarray, " P"]

    @property
    def agree(self) -> Float[np.ndarray, " P"]:
        """The share of people who agree with the model; a half where it prefers neither."""
        return np.where(self.ahead > 0, self.wins, np.where(self.ahead < 0, 1 - self.wins, 0.5))

    @property
    def decided(self) -> Bool[np.ndarray, " P"]:
        """Where more people prefer one of the two."""
        return self.wins != 0.5

    def weights(self, among: Bool[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
        """Of these pairs, such that each prompt that has some of them counts once."""
        count = np.bincount(self.row[among], minlength=int(self.row.max(initial=-1)) + 1)
        return np.where(among, 1 / np.maximum(count[self.row], 1), 0.0)


def compared(
    rows: Sequence[Prediction], worth: Callable[[Prediction], Sequence[float]]
) -> Compared:
    """The pairs of some predictions; `worth` says how good the model finds each answer."""
    kind = strength_of([row.judging for row in rows if row.judging is not None])
    names = {name: number for number, name in enumerate(dict.fromkeys(r.cluster for r in rows))}
    parts: list[Float[np.ndarray, "6 P"]] = []
    for number, row in enumerate(rows):
        said = row.judging
        if said is None:
            continue
        first, second = np.triu_indices(len(said.answers), 1)
        wins = _square(said)[first, second]
        there = ~np.isnan(wins)
        first, second = first[there], second[there]
        good, size = np.array(worth(row)), np.log([max(1, len(text)) for text in said.answers])
        place = [np.full(len(first), float(n)) for n in (number, names[row.cluster])]
        strength = _strength(said, kind)[first, second]
        lead = size[first] - size[second]
        parts.append(np.stack([wins[there], good[first] - good[second], lead, strength, *place]))
    wins, ahead, longer, strength, row_of, cluster = np.concatenate([np.zeros((6, 0)), *parts], 1)
    of = (row_of.astype(np.int64), cluster.astype(np.int64))
    return Compared(wins, ahead, longer, strength, kind, *of)


def strength_of(judgings: Sequence[Judging]) -> Strength:
    """The first that any of them has."""
    if any(said.margin for said in judgings):
        return "margin"
    if any(said.values is not None for said in judgings):
        return "rating"
    return "places" if any(len(said.answers) > 2 for said in judgings) else "votes"


def _square(said: Judging) -> _Matrix:
    return np.array(said.wins, dtype=np.float64).reshape(len(said.answers), -1)


def _strength(said: Judging, kind: Strength) -> _Matrix:
    wins = _square(said)
    if kind == "margin":
        return np.full(wins.shape, said.margin)
    if kind == "votes":
        return np.abs(2 * wins - 1)
    if kind == "rating":
        each = np.array(said.values if said.values is not None else [math.nan] * len(wins))
    else:
        each = (wins < 0.5).sum(axis=1).astype(np.float64)
    return np.abs(each[:, None] - each)
