"""What predicts a verdict without reading the answers: their length, and where they stood."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.measure import DRAWS, Measure, around, draws, share
from madrigal.feedback.votes import Votes


def length_bias(votes: Votes, resampling: Resampling = DRAWS) -> Measure | None:
    """How well length alone says which of two answers is better: its AUC.

    The share of comparisons in which the longer answer (in characters) is preferred; equal lengths
    count half, ties are left out. 0.5: length says nothing. n counts votes.
    """
    strict = votes.strict
    longer = np.sign(np.diff(-_lengths(strict.texts)[strict.answers], axis=1))[:, 0]
    hits = (1 + longer[strict.item] * strict.value) / 2
    return share(hits, np.ones(len(hits)), strict.cluster, resampling)


def length_correlation(votes: Votes, resampling: Resampling = DRAWS) -> Measure | None:
    """Spearman's correlation of the length of a rated answer with its mean rating.

    n counts answers. In bootstrap draws the ranks stay as they are. None where all lengths or all
    ratings are the same.
    """
    items, item = np.unique(votes.item, return_inverse=True)
    if len(items) < 3:
        return None
    mean = np.bincount(item, votes.value) / np.bincount(item)
    x, y = ranks(_lengths(votes.texts)[votes.answers[items, 0]]), ranks(mean)
    prompts, prompt = np.unique(votes.prompt[items], return_inverse=True)
    value = _correlation(x, y, np.ones(len(items)))
    if not np.isfinite(value):
        return None
    drawn = [_correlation(x, y, row[prompt]) for row in draws(len(prompts), resampling)]
    return around(value, np.array(drawn), len(items), resampling)


def position_bias(votes: Votes, resampling: Resampling = DRAWS) -> Measure | None:
    """How often the answer shown first is preferred, ties left out; 0.5: the place says nothing.

    It takes answers whose places follow from chance, or pairs shown in both orders. n counts votes;
    None where no vote knows the order.
    """
    return _first(votes.strict, votes.strict.shown, resampling)


def file_order(votes: Votes, resampling: Resampling = DRAWS) -> Measure | None:
    """How often the answer that stands first in its record is preferred, ties left out."""
    return _first(votes.strict, votes.strict.stands, resampling)


def ranks(x: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Ranks from 1; equal values share the mean of theirs."""
    _, level, counts = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[level]


def _first(votes: Votes, place: Int[np.ndarray, " V"], resampling: Resampling) -> Measure | None:
    hits = (1 + place * votes.value) / 2
    return share(
        np.where(place != 0, hits, 0.0),
        (place != 0).astype(np.float64),
        votes.cluster,
        resampling,
    )


def _lengths(texts: Sequence[str]) -> Float[np.ndarray, " T"]:
    return np.array([len(text) for text in texts], dtype=np.float64)


def _correlation(
    x: Float[np.ndarray, " N"], y: Float[np.ndarray, " N"], weight: Float[np.ndarray, " N"]
) -> float:
    total = weight.sum()
    x, y = x - weight @ x / total, y - weight @ y / total
    scale = np.sqrt((weight @ x**2) * (weight @ y**2))
    return float(weight @ (x * y) / scale) if scale > 0 else float("nan")
