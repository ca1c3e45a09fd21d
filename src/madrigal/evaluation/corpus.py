"""BLEU and chrF from sums of counts, so that a bootstrap draw is one matrix product.

Each example gives a vector of counts; the corpus score is a function of the vectors' sum. Both
agree with sacrebleu's corpus scores to rounding.
"""

import functools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

_ORDERS = 4  # of BLEU's word n-grams
_CHARACTER_ORDERS = 6
_BETA2 = 4.0  # chrF weighs recall beta = 2 times as much as precision


def bleu_counts(output: str, targets: Sequence[str]) -> Float[np.ndarray, "10"]:
    """Output words, reference words, matched n-grams (1 to 4) and output n-grams (1 to 4)."""
    score = _sentence_bleu(output, tuple(targets))
    return np.array([score.sys_len, score.ref_len, *score.counts, *score.totals], dtype=np.float64)


def sentence_bleu(output: str, targets: Sequence[str]) -> float:
    """BLEU of one sentence from 0 to 1, over the n-gram orders that the output has."""
    return float(min(max(_sentence_bleu(output, tuple(targets)).score / 100, 0.0), 1.0))


@functools.lru_cache(maxsize=1 << 16)  # the same row is scored for the matrix and for each pair
def _sentence_bleu(output: str, targets: tuple[str, ...]) -> Any:
    return _bleu().sentence_score(output, targets or ("",))


@functools.cache
def _bleu() -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(effective_order=True)


def bleu_from_counts(totals: Float[np.ndarray, "B 10"]) -> Float[np.ndarray, " B"]:
    """BLEU from 0 to 1 (Papineni et al., 2002) with the smoothing of mteval-v13a.

    The k-th n-gram order without a match counts 1/(2^k total) instead of 0.
    """
    given, wanted = totals[..., 0], totals[..., 1]
    hits, grams = totals[..., 2 : 2 + _ORDERS], totals[..., 2 + _ORDERS :]
    missed = (hits == 0) & (grams > 0)
    smoothed = np.where(missed, 0.5 ** np.cumsum(missed, axis=-1), hits)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(smoothed) - np.log(grams)
        brevity = np.where(given < wanted, np.exp(np.minimum(1 - wanted / given, 0)), 1.0)
        score = brevity * np.exp(logs.mean(axis=-1))
    possible = (hits.sum(axis=-1) > 0) & (grams > 0).all(axis=-1)
    return np.where(possible, score, 0.0)


def chrf_counts(output: str, targets: Sequence[str]) -> Float[np.ndarray, "18"]:
    """For n = 1 to 6: output n-grams, reference n-grams, matches, against the best reference."""
    return _chrf_counts(output, tuple(targets))


@functools.lru_cache(maxsize=1 << 16)
def _chrf_counts(output: str, targets: tuple[str, ...]) -> Float[np.ndarray, "18"]:
    given = _character_grams(output)
    rows = np.array([_triples(given, _character_grams(t)) for t in targets or ("",)])
    return rows[int(np.argmax(chrf_from_counts(rows)))]


def _character_grams(text: str) -> list[Counter[str]]:
    letters = "".join(text.split())
    return [
        Counter(letters[i : i + n] for i in range(len(letters) - n + 1))
        for n in range(1, _CHARACTER_ORDERS + 1)
    ]


def _triples(given: list[Counter[str]], wanted: list[Counter[str]]) -> list[float]:
    row: list[float] = []
    for mine, theirs in zip(given, wanted, strict=True):
        # As in sacrebleu: an order that the reference does not have is not held against the output.
        row += [mine.total() if theirs else 0, theirs.total(), (mine & theirs).total()]
    return [float(x) for x in row]


def chrf_from_counts(totals: Float[np.ndarray, "B 18"]) -> Float[np.ndarray, " B"]:
    """chrF2 from 0 to 1 (Popovic, 2015) over the orders that both sides have."""
    triples = totals.reshape(*totals.shape[:-1], _CHARACTER_ORDERS, 3)
    given, wanted, hits = triples[..., 0], triples[..., 1], triples[..., 2]
    used = (given > 0) & (wanted > 0)
    orders = np.maximum(used.sum(axis=-1), 1)
    precision = np.where(used, hits / np.maximum(given, 1), 0).sum(axis=-1) / orders
    recall = np.where(used, hits / np.maximum(wanted, 1), 0).sum(axis=-1) / orders
    below = _BETA2 * precision + recall
    return np.where(below > 0, (1 + _BETA2) * precision * recall / np.where(below > 0, below, 1), 0)
