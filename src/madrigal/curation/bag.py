"""Records as bags of words and of pairs of words."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, UInt64
from scipy.sparse import csr_matrix

from madrigal.curation.table import Table

_PAIR = np.uint64(1 << 63)


@dataclass(frozen=True, slots=True)
class Bag:
    """Terms that at least two records have, a row a record: how often, and as tf-idf.

    `words` are their numbers: the hash of a word (`marks.word_hashes`), or of a pair of words,
    which are those that are not `single`. Rows of `weighted` have length 1.
    """

    counts: csr_matrix
    weighted: csr_matrix
    words: UInt64[np.ndarray, " V"]
    single: Bool[np.ndarray, " V"]


def bag_of(table: Table, mine: Int[np.ndarray, " M"]) -> Bag:
    """The bags of some samples, which must be in the order of the table.

    The weight of a term that stands n times in a record and in d of M records is
    (1 + log n) (1 + log((1 + M) / (1 + d))).
    """
    wanted = np.zeros(len(table), dtype=bool)
    wanted[mine] = True
    rows: list[np.ndarray] = []
    for block in range(len(table.paths)):
        start, end = int(table.starts[block]), int(table.starts[block + 1])
        if wanted[start:end].any():
            words = table.ragged("words", block)
            rows += [_terms(words[k]) for k in np.flatnonzero(wanted[start:end]).tolist()]
    ends = np.cumsum([0, *map(len, rows)])
    terms, places = np.unique(np.concatenate(rows), return_inverse=True)
    counts = csr_matrix((np.ones(len(places)), places, ends), shape=(len(rows), len(terms)))
    counts.sum_duplicates()
    records = np.bincount(counts.indices, minlength=len(terms))
    shared = records >= 2
    counts, records, terms = csr_matrix(counts[:, shared]), records[shared], terms[shared]
    damped = counts.copy()
    damped.data = 1.0 + np.log(damped.data)
    weighted = damped.multiply(1.0 + np.log((1 + len(rows)) / (1 + records))).tocsr()
    norms = np.sqrt(weighted.multiply(weighted).sum(axis=1)).A1
    scaled = csr_matrix(weighted.multiply(1 / np.maximum(norms, 1e-12)[:, None]))
    return Bag(counts, scaled, terms, terms < _PAIR)


def _terms(words: np.ndarray) -> UInt64[np.ndarray, " T"]:
    """Numbers of words and of pairs of words."""
    one = words.astype(np.uint64)
    pairs = (one[:-1] * np.uint64(0x9E3779B1) + one[1:]) | _PAIR
    return np.concatenate([one, pairs])
