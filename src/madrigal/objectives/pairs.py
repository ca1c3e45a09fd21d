"""The answers of an example in pairs, and what a pair costs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import softplus

from madrigal.objectives.answers import judgements, values
from madrigal.tasks.encoded import Encoded

# Examples by the number of their first row.
Examples = Int[np.ndarray, " E"]


@dataclass(frozen=True, slots=True)
class Pairs:
    """The M pairs of two answers to one prompt, each pair once, over all examples of some rows.

    An example of K answers has up to K (K - 1) / 2 pairs. Each weighs one by their number, so that
    an example counts as much as any other: a ranking of K answers costs K forward passes and is one
    unit, as for the reward models of InstructGPT (Ouyang et al., 2022, section 3.5).
    """

    first: Int[Tensor, " M"]  # index of a row
    second: Int[Tensor, " M"]
    wins: Float[Tensor, " M"]  # chance that the first is better
    weight: Float[Tensor, " M"]

    def mean(self, cost: Float[Tensor, " M"]) -> Float[Tensor, ""]:
        """Sum over examples of the mean over their pairs."""
        return (self.weight * cost).sum()


@dataclass(frozen=True, slots=True)
class _Listed:
    """Pairs of rows that are used, and the first row of their example."""

    first: Int[np.ndarray, " M"]
    second: Int[np.ndarray, " M"]
    wins: Float[np.ndarray, " M"]
    example: Int[np.ndarray, " M"]


def pairs_of(rows: Sequence[Encoded], like: Tensor) -> Pairs:
    """The pairs that were compared, on the device and in the numbers of `like`."""
    return _tensors(_compared(rows), like)


def rated_pairs_of(rows: Sequence[Encoded], like: Tensor) -> Pairs:
    """The pairs of which both answers have a value, whether or not they were compared."""
    return _tensors(_rated(rows), like)


def softened_pairs_of(rows: Sequence[Encoded], like: Tensor, temperature: float) -> Pairs:
    """The pairs that were compared or rated; chances follow from the values where there are any.

    p(i better than j) = sigma((s_i - s_j) / temperature), with s the values of two answers.
    """
    listed, known = _all(rows), values(rows)
    difference = known[listed.first] - known[listed.second]
    soft = 0.5 + 0.5 * np.tanh(difference / temperature / 2)  # sigma, which cannot overflow so
    wins = np.where(np.isnan(soft), listed.wins, soft)
    held = _Listed(listed.first, listed.second, wins, listed.example)
    return _tensors(_kept(held, ~np.isnan(wins)), like)


def compared_examples(rows: Sequence[Encoded]) -> Examples:
    """Examples with at least one pair that was compared."""
    return np.unique(_compared(rows).example)


def rated_examples(rows: Sequence[Encoded]) -> Examples:
    """Examples with at least one pair of which both answers have a value."""
    return np.unique(_rated(rows).example)


def targets(
    wins: Float[Tensor, " M"], smoothing: float = 0.0, flip_rate: float = 0.0
) -> Float[Tensor, " M"]:
    """The chances that are trained on, p', from those in the data, p.

    smoothing e:  p' = (1 - e) p + e (1 - p)         labels may be wrong, so be less sure
    flip rate e:  p' = (p - e) / (1 - 2e)            a share e is wrong: undo it on average

    The second is the estimator of Natarajan et al., 2013: with labels y' that are wrong with chance
    e, E[cost under p'] is the cost under the true labels. p' may leave [0, 1]; 1/2 stays 1/2.
    """
    smoothed = (1 - 2 * smoothing) * wins + smoothing
    return (smoothed - flip_rate) / (1 - 2 * flip_rate)


def logistic(
    first: Float[Tensor, " M"], second: Float[Tensor, " M"], wins: Float[Tensor, " M"]
) -> Float[Tensor, " M"]:
    """-p log sigma(first) - (1 - p) log sigma(second), in nats.

    `first` is by how much the first answer of a pair is better, `second` by how much the second is:
    the same with the other sign where there is no margin.
    """
    return wins * softplus(-first) + (1 - wins) * softplus(-second)


def _all(rows: Sequence[Encoded]) -> _Listed:
    """Every two answers of an example, the one with the lower place first; wins may be nan."""
    judged = judgements(rows)
    sizes = np.array([len(one.wins) for one in judged], dtype=np.int64)
    places = np.array([one.place for one in judged], dtype=np.int64)
    numbers = np.arange(len(rows))
    _check(places, sizes)
    starts = numbers - places
    before = np.repeat(np.cumsum(sizes) - sizes, sizes)
    first, example = np.repeat(numbers, sizes), np.repeat(starts, sizes)
    second = example + np.arange(len(first)) - before
    wins = np.array([chance for one in judged for chance in one.wins], dtype=np.float64)
    return _kept(_Listed(first, second, wins, example), second > first)


def _check(places: Int[np.ndarray, " R"], sizes: Int[np.ndarray, " R"]) -> None:
    """The rows of each example stand together, from place 0 to K - 1."""
    ends = places == sizes - 1
    expected = np.where(ends, 0, places + 1)
    began = np.concatenate([[0], expected])
    if not (np.array_equal(began[:-1], places) and began[-1] == 0):
        raise ValueError("the rows of an example must stand together, in order of their place")


def _compared(rows: Sequence[Encoded]) -> _Listed:
    listed = _all(rows)
    return _kept(listed, ~np.isnan(listed.wins))


def _rated(rows: Sequence[Encoded]) -> _Listed:
    listed, known = _all(rows), ~np.isnan(values(rows))
    return _kept(listed, known[listed.first] & known[listed.second])


def _kept(listed: _Listed, keep: Bool[np.ndarray, " M"]) -> _Listed:
    return _Listed(listed.first[keep], listed.second[keep], listed.wins[keep], listed.example[keep])


def _tensors(listed: _Listed, like: Tensor) -> Pairs:
    pairs = np.bincount(listed.example, minlength=1)[listed.example]

    def move(array: np.ndarray, dtype: torch.dtype) -> Tensor:
        return torch.from_numpy(array).to(like.device, dtype)

    return Pairs(
        first=move(listed.first, torch.int64),
        second=move(listed.second, torch.int64),
        wins=move(listed.wins, like.dtype),
        weight=move(1 / pairs, like.dtype),
    )
