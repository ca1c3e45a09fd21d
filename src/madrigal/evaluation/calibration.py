"""Whether a model is as sure of the better answer as it is right."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from madrigal.evaluation.compared import Compared
from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.measure import Measure, shares, spread

BINS = 10
_DRAWN = 200  # draws of labels that a calibrated model would have met
_HALVINGS = 60
_LARGEST = 1e4  # of the scale; where no pair is wrong none is large enough


@dataclass(frozen=True, slots=True)
class Bin:
    """Pairs of about the same confidence: its mean, and the share of people who agree."""

    confidence: float
    right: Measure


@dataclass(frozen=True, slots=True)
class Calibration:
    """Confidence c = sigma(scale |score of one answer - score of the other|) against agreement.

    `error` is the expected calibration error, with w_p = 1 / (pairs of p's prompt)

        ECE = sum_b |sum_{p in b} w_p (agree(p) - c(p))| / sum_p w_p

    over bins b of equal width in [1/2, 1] (Naeini et al., 2015; Guo et al., 2017). It is above zero
    for perfect models too: `floor` is its mean if labels were drawn by the confidences. `fit` is
    the scale at which the likelihood of the labels is highest; `refitted` the error with scores
    scaled so, each half of the prompts by the other half's fit. Where scores are no log-odds by
    themselves, `scaled` is set and bins and error are those of the refitted ones.
    """

    bins: tuple[Bin, ...]
    error: Measure
    floor: float
    fit: float
    scaled: bool
    refitted: Measure


def calibration(pairs: Compared, resampling: Resampling, scaled: bool) -> Calibration:
    """How well scores, or scores in a unit that is fitted, foretell what people prefer."""
    weights = pairs.weights(np.ones(len(pairs.wins), dtype=bool))
    own, fitted = (_chance(np.abs(pairs.ahead) * s) for s in (1.0, _by_halves(pairs, weights)))
    shown = fitted if scaled else own
    return Calibration(
        bins=_bins(pairs, shown, weights, resampling),
        error=_error(pairs, shown, weights, resampling),
        floor=_floor(shown, weights, resampling.seed),
        fit=best_scale(pairs.ahead, pairs.wins, weights),
        scaled=scaled,
        refitted=_error(pairs, fitted, weights, resampling),
    )


def best_scale(
    ahead: Float[np.ndarray, " P"], wins: Float[np.ndarray, " P"], weights: Float[np.ndarray, " P"]
) -> float:
    """s >= 0 with the highest sum_p w_p (wins log sigma(s a) + (1 - wins) log sigma(-s a)).

    The derivative falls in s, so its root is found by halving; 0 where the order says nothing.
    """

    def slope(scale: float) -> float:
        return float(weights @ (ahead * (wins - _chance(scale * ahead))))

    low, high = 0.0, _LARGEST
    if slope(low) <= 0:
        return 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2 if low else high / 2
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return (low + high) / 2


def _by_halves(pairs: Compared, weights: Float[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
    """Of each pair, the scale that the other half of the prompts asks for."""
    clusters = int(pairs.cluster.max(initial=-1)) + 1
    half = np.random.Generator(np.random.Philox(key=0)).permutation(clusters)[pairs.cluster] % 2
    found = np.ones(len(half))
    for own in (0, 1):
        other = half != own
        found[half == own] = best_scale(pairs.ahead[other], pairs.wins[other], weights[other])
    return found


def _chance(odds: Float[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
    return 1 / (1 + np.exp(-np.clip(odds, -700, 700)))


def _bin_of(sure: Float[np.ndarray, " P"]) -> Int[np.ndarray, " P"]:
    return np.minimum(((sure - 0.5) * 2 * BINS).astype(np.int64), BINS - 1)


def _bins(
    pairs: Compared,
    sure: Float[np.ndarray, " P"],
    weights: Float[np.ndarray, " P"],
    resampling: Resampling,
) -> tuple[Bin, ...]:
    place = _bin_of(sure)
    asked = [np.where(place == number, weights, 0.0) for number in range(BINS)]
    found = shares([(own * pairs.agree, own) for own in asked], pairs.cluster, resampling)
    counts = np.bincount(place, minlength=BINS)
    return tuple(
        Bin(float(own @ sure / own.sum()), replace(right, n=int(count)))
        for own, right, count in zip(asked, found, counts, strict=True)
        if right is not None
    )


def _error(
    pairs: Compared,
    sure: Float[np.ndarray, " P"],
    weights: Float[np.ndarray, " P"],
    resampling: Resampling,
) -> Measure:
    clusters = int(pairs.cluster.max(initial=-1)) + 1
    place = pairs.cluster * BINS + _bin_of(sure)
    gaps = np.bincount(place, weights * (pairs.agree - sure), clusters * BINS)
    gaps = gaps.reshape(clusters, BINS)
    counted = np.bincount(pairs.cluster, weights, clusters)
    value = float(np.abs(gaps.sum(axis=0)).sum() / counted.sum())
    # A draw's error is higher than the sample's, as the sample's is higher than the truth: the
    # draws' middle is no interval, their spread is.
    totals = resampling.totals("feedback", np.column_stack([gaps, counted]))
    drawn = np.abs(totals[:, :BINS]).sum(axis=1) / np.maximum(totals[:, BINS], 1e-12)
    return spread(value, drawn, len(sure), resampling)


def _floor(sure: Float[np.ndarray, " P"], weights: Float[np.ndarray, " P"], seed: int) -> float:
    random = np.random.Generator(np.random.Philox(key=seed))
    place, found = _bin_of(sure), []
    for _ in range(_DRAWN):
        right = random.random(len(sure)) < sure
        found.append(np.abs(np.bincount(place, weights * (right - sure))).sum())
    return float(np.mean(found) / weights.sum())
