"""Chances of every label out of sample, by the words of a text or by what a model makes of it.

A logistic regression over 5 folds in which no prompt stands twice: on tf-idf of words and pairs of
words, or on the mean of a model's last states, each of its features scaled to mean 0 and deviation
1. The model itself is not trained: that would take a training a fold, and a few thousand labels
move a linear reading of its states as far.
"""

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_matrix

from madrigal.curation.bag import bag_of
from madrigal.curation.table import Table

States = Callable[[Sequence[str]], Float[np.ndarray, "N D"]]  # what a model makes of each text

FOLDS = 5
_BY_WORDS = 10.0  # inverse of L2
# Stronger, since all features of states speak in each record; of few records it would hide all.
_BY_STATES, _OF_FEW = 0.003, 6.0


def chances_by_words(
    table: Table, mine: Int[np.ndarray, " N"], given: Int[np.ndarray, " N"]
) -> Float[np.ndarray, "N K"]:
    """Chances of each label of the samples `mine`, labelled `given`."""
    prompt = table.column("prompt")[mine]
    return out_of_fold(bag_of(table, mine).weighted, given, prompt, _BY_WORDS)


def chances_by_states(
    states: Float[np.ndarray, "N D"], given: Int[np.ndarray, " N"], prompt: np.ndarray
) -> Float[np.ndarray, "N K"]:
    """The same by a model's states of the texts; `prompt` tells texts that belong together."""
    wide = states.astype(np.float64)
    scaled = (wide - wide.mean(axis=0)) / np.maximum(wide.std(axis=0), 1e-9)
    return out_of_fold(scaled, given, prompt, max(_BY_STATES, _OF_FEW / len(given)))


def out_of_fold(
    features: "csr_matrix | Float[np.ndarray, 'N D']",
    given: Int[np.ndarray, " N"],
    prompt: np.ndarray,
    strength: float,
) -> Float[np.ndarray, "N K"]:
    """Chances of each label by models that saw neither the record nor another of its prompt."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    labels = int(given.max()) + 1
    fold = (prompt % np.uint64(1_000_003) % np.uint64(FOLDS)).astype(np.int64)
    found = np.tile(np.bincount(given, minlength=labels) / len(given), (len(given), 1))
    for held in range(FOLDS):
        train, test = fold != held, fold == held
        if not test.any() or len(np.unique(given[train])) < 2:
            continue
        model = LogisticRegression(C=strength, max_iter=100)
        with warnings.catch_warnings():
            # A model that is nearly at its optimum tells as much.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(features[train], given[train])
        places = np.searchsorted(np.arange(labels), model.classes_)
        told = np.zeros((int(test.sum()), labels))
        told[:, places] = model.predict_proba(features[test])
        found[test] = told
    return found
