"""Macro-F1 from sums of per-label counts: the margins and the diagonal of the confusion matrix."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from madrigal.errors import DataError
from madrigal.evaluation.prediction import Prediction

_MOST_LABELS = 1000


def statistics(rows: Sequence[Prediction]) -> Float[np.ndarray, "N D"]:
    """For each row and label c: right as c, truly c, answered c; D is three times the labels.

    Where several answers are accepted, the true label is the one that was given, else the first.
    """
    labels = sorted({target for row in rows for target in row.targets})
    if len(labels) > _MOST_LABELS:
        raise DataError(
            f"task '{rows[0].task}': macro_f1 over {len(labels)} different labels; take accuracy"
        )
    index = {label: i for i, label in enumerate(labels)}
    table = np.zeros((len(rows), 3, len(labels)))
    for n, row in enumerate(rows):
        right = row.output in row.targets
        table[n, 1, index[row.output if right else row.targets[0]]] = 1
        if row.output in index:
            table[n, 2, index[row.output]] = 1
            table[n, 0, index[row.output]] = right
    return table.reshape(len(rows), -1)


def macro_f1(totals: Float[np.ndarray, "B D"]) -> Float[np.ndarray, " B"]:
    """Mean F1 over the labels with a true example; sklearn's with `labels=set(y_true)`."""
    right, true, given = np.moveaxis(totals.reshape(*totals.shape[:-1], 3, -1), -2, 0)
    f1 = 2 * right / np.maximum(true + given, 1)
    present = true > 0
    return (f1 * present).sum(axis=-1) / np.maximum(present.sum(axis=-1), 1)
