"""Reward models: a head that scores answers as people judged them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from madrigal.objectives.answers import judgements, values
from madrigal.objectives.base import Need, Outputs
from madrigal.objectives.length_debias import LENGTH_SUMS, length_penalty, length_sums
from madrigal.objectives.pairs import (
    Pairs,
    compared_examples,
    logistic,
    pairs_of,
    rated_examples,
    softened_pairs_of,
    targets,
)
from madrigal.tasks.encoded import Encoded, Example


@dataclass(frozen=True, slots=True)
class Reward:
    """The better answer scores higher: Bradley-Terry, and what is built on it.

    With r(y) the score of an answer and m its margin in the data, i better than j costs, in nats,

        l(i, j) = -log sigma(r(i) - r(j) - margin m(i)) + centring (r(i) + r(j))^2

    (Bradley and Terry, 1952; K answers as in Ouyang et al., 2022; the margin of Touvron et al.,
    2023; the centring of Eisenstein et al., 2023, equation 2). A pair of which i is better with
    chance p costs p' l(i, j) + (1 - p') l(j, i), with p' from p by `smoothing` and `flip_rate` as
    in `targets`. With a `temperature` p itself follows from ratings: sigma(scale (s(i) - s(j)) /
    temperature), s a rating in [0, 1]. An example costs

        compare (mean of its pairs) + regress (mean over its rated answers of (r(y) - scale s(y))^2)

    and the loss is the sum over examples that have one or the other.

    `length_debias` is the weight of ODIN (Chen et al., 2024): a second head, r = q + l in the
    comparison, of which q is held uncorrelated with the length of answers and l correlated with it;
    q alone is the reward (`length_penalty`).

    Differs from the papers: with several answers to a prompt, centring pulls the scores of answers
    that are met in many pairs towards zero; ODIN's orthogonality of the two heads' weights is left
    out, as an objective sees scores only; its correlation is that of the whole step.
    """

    compare: float = 1.0
    regress: float = 0.0
    margin: float = 1.0
    centring: float = 0.01
    smoothing: float = 0.0
    flip_rate: float = 0.0
    temperature: float | None = None
    scale: float = 1.0
    length_debias: float = 0.0

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({"scores"})

    @property
    def heads(self) -> int:
        """Scores a row; the first is the reward."""
        return 2 if self.length_debias else 1

    def encode_rows(self, example: Example) -> tuple[Encoded, ...]:
        return example

    def count(self, rows: Sequence[Encoded]) -> float:
        used = [np.zeros(0, dtype=np.int64)]
        if self.compare:
            used.append(compared_examples(rows))
        if self.compare and self.temperature is not None:
            used.append(rated_examples(rows))
        if self.regress:
            known, starts = _rated(rows)
            used.append(starts[known])
        return float(len(np.unique(np.concatenate(used))))

    def survey_rows(self, examples: Sequence[Example], context: int) -> tuple[Encoded, ...]:
        """The step's own rows, where lengths are correlated; else none."""
        del context  # they fit already
        return tuple(row for example in examples for row in example) if self.length_debias else ()

    def survey(self, rows: Sequence[Encoded], outputs: Outputs) -> Float[Tensor, " S"]:
        if not self.length_debias:
            return outputs.logps.new_zeros(0)
        if not rows:
            return outputs.logps.new_zeros(LENGTH_SUMS, dtype=torch.float64)
        return length_sums(rows, _scores(outputs, self.heads), self.count(rows))

    def loss(self, rows: Sequence[Encoded], outputs: Outputs) -> Float[Tensor, ""]:
        scores = _scores(outputs, self.heads)
        cost = scores.new_zeros(())
        if self.compare:
            cost = cost + self.compare * self._compared(rows, scores.sum(dim=1))
        if self.regress:
            cost = cost + self.regress * self._regressed(rows, scores.sum(dim=1))
        if self.length_debias:
            if outputs.survey is None:
                raise ValueError("length debiasing needs a survey of the step, and there was none")
            penalty = length_penalty(rows, scores, self.count(rows), outputs.survey)
            cost = cost + self.length_debias * penalty
        return cost

    def _pairs(self, rows: Sequence[Encoded], like: Tensor) -> Pairs:
        if self.temperature is None:
            return pairs_of(rows, like)
        return softened_pairs_of(rows, like, self.temperature / self.scale)

    def _compared(self, rows: Sequence[Encoded], scores: Float[Tensor, " R"]) -> Float[Tensor, ""]:
        pairs = self._pairs(rows, scores)
        margins = scores.new_tensor([self.margin * one.margin for one in judgements(rows)])
        first, second = scores[pairs.first], scores[pairs.second]
        wins = targets(pairs.wins, self.smoothing, self.flip_rate)
        one, other = margins[pairs.first], margins[pairs.second]
        cost = logistic(first - second - one, second - first - other, wins)
        return pairs.mean(cost + self.centring * (first + second).square())

    def _regressed(self, rows: Sequence[Encoded], scores: Float[Tensor, " R"]) -> Float[Tensor, ""]:
        known, starts = _rated(rows)
        weights = 1 / np.bincount(starts[known], minlength=1)[starts[known]]
        at = torch.from_numpy(np.flatnonzero(known)).to(scores.device)
        wanted = torch.from_numpy(values(rows)[known]).to(scores.device, scores.dtype)
        missed = (scores[at] - self.scale * wanted).square()
        return missed @ torch.from_numpy(weights).to(scores.device, scores.dtype)


def _scores(outputs: Outputs, heads: int) -> Float[Tensor, "R H"]:
    if outputs.scores is None or outputs.scores.shape[1] != heads:
        found = "none" if outputs.scores is None else outputs.scores.shape[1]
        raise ValueError(
            f"this reward model needs {heads} scores a row, and the model gave {found}"
        )
    return outputs.scores


def _rated(rows: Sequence[Encoded]) -> tuple[Bool[np.ndarray, " R"], Int[np.ndarray, " R"]]:
    """Which rows have a rating, and the first row of each row's example."""
    places = np.array([one.place for one in judgements(rows)], dtype=np.int64)
    return ~np.isnan(values(rows)), np.arange(len(rows)) - places
