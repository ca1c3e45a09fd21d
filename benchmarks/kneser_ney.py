"""Interpolated modified Kneser-Ney over tokens, in numpy: the peer that base-xs is held against.

Chen and Goodman, 1999, section 2.6. With c the count of an n-gram h w (for lower orders its
continuation count, the number of different tokens before it), N_i(h .) the number of tokens seen
i times after h (i = 1, 2, 3 and more) and D_i the discounts from counts of counts,

    p(w | h) = max(c(h w) - D_c, 0) / c(h .) + (sum_i D_i N_i(h .)) / c(h .) * p(w | shorter h)

and p(w | nothing) starts from the uniform distribution.
"""

from dataclasses import dataclass

import numpy as np

BITS = 12  # a token of a vocabulary of 4,096; five of them fit 64 bits


@dataclass(frozen=True)
class _Order:
    """Counts of one order: sorted packed n-grams, and what is needed of their contexts."""

    grams: np.ndarray
    counts: np.ndarray
    contexts: np.ndarray
    totals: np.ndarray
    backoff: np.ndarray
    discounts: np.ndarray

    def lookup(self, gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Direct share and back-off weight of each packed n-gram."""
        count = _at(self.grams, self.counts, gram)
        context = gram >> BITS
        total = _at(self.contexts, self.totals, context)
        weight = _at(self.contexts, self.backoff, context)
        discount = self.discounts[np.minimum(count, 3).astype(int)]
        seen = total > 0
        share = np.where(seen, np.maximum(count - discount, 0) / np.maximum(total, 1), 0.0)
        return share, np.where(seen, weight / np.maximum(total, 1), 1.0)


def _at(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0).astype(float)


def _packed(rows: list[np.ndarray], order: int) -> np.ndarray:
    """All n-grams of all rows, packed; none crosses a row's border."""
    pieces = []
    for row in rows:
        tokens = row.astype(np.int64)
        packed = np.zeros(max(0, len(tokens) - order + 1), dtype=np.int64)
        for shift in range(order):
            packed = (packed << BITS) | tokens[shift : shift + len(packed)]
        pieces.append(packed)
    return np.concatenate(pieces)


def _order(grams: np.ndarray, counts: np.ndarray) -> _Order:
    of = [int((counts == i).sum()) for i in range(1, 5)]
    ratio = of[0] / max(1, of[0] + 2 * of[1])
    steps = [i - (i + 1) * ratio * of[i] / max(1, of[i - 1]) for i in (1, 2, 3)]
    discounts = np.array([0.0, *(min(max(d, 0.0), i) for i, d in enumerate(steps, 1))])
    contexts, start = np.unique(grams >> BITS, return_index=True)
    removed = discounts[np.minimum(counts, 3)]
    return _Order(
        grams, counts, contexts, np.add.reduceat(counts, start),
        np.add.reduceat(removed, start), discounts,
    )  # fmt: skip


class KneserNey:
    """Trained on rows of tokens below 4,096; gives the log-probability of every further token."""

    def __init__(self, rows: list[np.ndarray], order: int, vocabulary: int) -> None:
        self.order, self.vocabulary = order, vocabulary
        grams, counts = np.unique(_packed(rows, order), return_counts=True)
        self.orders = [_order(grams, counts)]
        for n in range(order - 1, 0, -1):
            # Continuation counts; n-grams at a row's start have nothing before them and their
            # plain count stands in.
            suffix = grams & ((1 << (BITS * n)) - 1)
            starts = [row[:n] for row in rows if len(row) >= n]
            grams, counts = np.unique(
                np.concatenate([suffix, _packed(starts, n)]), return_counts=True
            )
            self.orders.insert(0, _order(grams, counts))

    def logps(self, row: np.ndarray) -> np.ndarray:
        """Natural log-probability of each token but the first, given up to order - 1 before it."""
        tokens = row.astype(np.int64)
        probability = np.full(len(tokens) - 1, 1 / self.vocabulary)
        for n, counts in enumerate(self.orders, 1):
            gram = np.zeros(len(tokens) - 1, dtype=np.int64)
            known = np.arange(1, len(tokens)) >= n - 1
            for back in range(n - 1, -1, -1):
                place = np.maximum(np.arange(1, len(tokens)) - back, 0)
                gram = (gram << BITS) | tokens[place]
            share, weight = counts.lookup(gram)
            probability = np.where(known, share + weight * probability, probability)
        return np.log(probability)
