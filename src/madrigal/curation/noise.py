"""Labels that the texts speak against: confident learning with a bag of words.

Out-of-sample chances p(j | x) of every label come from a logistic regression on the words and pairs
of words (tf-idf), over 5 folds in which no prompt stands twice. With t_j the mean of p(j | x) over
the records labelled j, a record labelled i is suspicious where the likeliest j of those with
p(j | x) >= t_j is not i. The share of the records that this counts, each row of the table scaled to
the label's own count, estimates how many labels are wrong (Northcutt, Jiang and Chuang, 2021,
Confident Learning, section 3). Suspicious records are ranked by p(i | x) - max_j p(j | x), the
lowest first.

Differs from the paper: records are only ranked, and none is called suspicious in a task where the
words tell too little: less than a quarter of what always saying the most frequent label leaves.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_matrix

from madrigal.curation.bag import bag_of
from madrigal.curation.finding import Finding, short
from madrigal.curation.table import Table

FOLDS = 5
LEAST = 50  # records, and 5 of a label
MOST = 50_000  # of a larger task every k-th record is looked at
_FEWEST = 5
_CHOSEN = 2  # kind
_MOST_LABELS = 200
_TELLS = 0.25
_STRENGTH = 10.0  # inverse of L2


@dataclass(frozen=True, slots=True)
class Suspicions:
    """What confident learning says of some labels."""

    suspicious: Bool[np.ndarray, " N"]
    instead: Int[np.ndarray, " N"]  # the label that the words say
    margin: Float[np.ndarray, " N"]  # lowest first
    right: float  # share of the labels that the words say out of sample
    rate: float  # estimated share of wrong labels


def label_noise(table: Table) -> Iterator[Finding]:
    """`label_noise` of every task with labels, the most suspicious first."""
    placed, names = table.labels()
    for task in table.sources.tasks:
        mine = np.flatnonzero(
            table.of_task(task) & (table.column("kind") == _CHOSEN) & (placed >= 0)
        )
        mine = mine[:: 1 + (len(mine) - 1) // MOST] if len(mine) else mine
        counts = np.bincount(placed[mine], minlength=len(names))
        mine = mine[counts[placed[mine]] >= _FEWEST]
        labels, given = np.unique(placed[mine], return_inverse=True)
        if len(mine) < LEAST or not 2 <= len(labels) <= _MOST_LABELS:
            continue
        chances = out_of_fold(bag_of(table, mine).weighted, given, table.column("prompt")[mine])
        found = suspicions(chances, given)
        usual = float(np.bincount(given).max()) / len(given)
        if found.right < usual + _TELLS * (1 - usual):
            continue
        for place in np.argsort(found.margin, kind="stable"):
            if found.suspicious[place]:
                sample, k = int(mine[place]), int(given[place])
                instead = int(found.instead[place])
                said = (
                    f"labelled {names[labels[k]]!r} ({chances[place, k]:.2f}), words say "
                    f"{names[labels[instead]]!r} ({chances[place, instead]:.2f}): "
                    f"{short(table.text(sample)[0], 120)}"
                )
                score = -float(found.margin[place])
                one = table.finding(sample, "label_noise", "warning", said, score=score)
                chance = round(float(chances[place, instead]), 4)
                yield replace(one, instead=names[labels[instead]], chance=chance)


def suspicions(chances: Float[np.ndarray, "N K"], given: Int[np.ndarray, " N"]) -> Suspicions:
    """Confident learning on out-of-sample chances of K labels."""
    labels = chances.shape[1]
    own = chances[np.arange(len(given)), given]
    counts = np.bincount(given, minlength=labels)
    threshold = np.bincount(given, weights=own, minlength=labels) / np.maximum(counts, 1)
    confident = np.where(chances >= threshold, chances, -1.0)
    instead = confident.argmax(axis=1)
    sure = confident.max(axis=1) >= 0
    joint = np.zeros((labels, labels))
    np.add.at(joint, (given[sure], instead[sure]), 1.0)
    rows = np.maximum(joint.sum(axis=1, keepdims=True), 1.0)
    calibrated = joint / rows * counts[:, None]
    rate = 1.0 - float(np.trace(calibrated)) / max(float(calibrated.sum()), 1.0)
    others = chances.copy()
    others[np.arange(len(given)), given] = -1.0
    return Suspicions(
        suspicious=sure & (instead != given),
        instead=np.where(sure, instead, given),
        margin=own - others.max(axis=1),
        right=float((chances.argmax(axis=1) == given).mean()),
        rate=rate,
    )


def out_of_fold(
    features: csr_matrix, given: Int[np.ndarray, " N"], prompt: np.ndarray
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
        model = LogisticRegression(C=_STRENGTH, max_iter=100)
        with warnings.catch_warnings():
            # A model that is nearly at its optimum tells as much.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(features[train], given[train])
        places = np.searchsorted(np.arange(labels), model.classes_)
        told = np.zeros((int(test.sum()), labels))
        told[:, places] = model.predict_proba(features[test])
        found[test] = told
    return found
