"""Which examples of a task are worth keeping for replay."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from madrigal.mixture.chance import bits, permutation

Chosen = Int[np.ndarray, " k"]


def at_random(size: int, keep: int, seed: int, task: str) -> Chosen:
    """`keep` of `size` examples, without replacement; all where there are fewer."""
    return np.sort(permutation(size, seed, "keep", task)[:keep])


def balanced(answers: Sequence[str], keep: int, seed: int, task: str) -> Chosen:
    """As evenly over the answers as their numbers allow; at random among equals.

    Each example is the n-th of its answer in random order, and the lowest n are taken first, so a
    rare answer is kept whole before a common one gets more.
    """
    order = permutation(len(answers), seed, "keep", task)
    seen: Counter[str] = Counter()
    turn = np.empty(len(answers), dtype=np.int64)
    for place in (int(n) for n in order):
        turn[place] = seen[answers[place]]
        seen[answers[place]] += 1
    ties = bits(len(answers), seed, "keep", task, "ties")
    return np.sort(np.lexsort((ties, turn))[:keep])


def hardest(losses: Float[np.ndarray, " n"], keep: int) -> Chosen:
    """Those with the largest losses; of equal ones the first."""
    return np.sort(np.argsort(-losses, kind="stable")[:keep])


def herding(features: Float[np.ndarray, "n D"], keep: int) -> Chosen:
    """Those whose running mean stays nearest to the mean of all (Welling, 2009; iCaRL, 2017).

    With unit features f_i and their mean m, the k-th chosen is the one that minimises
    |m - (f_i + sum of the chosen) / k|, each once. The order is that of choosing: any first part is
    a good choice of its size.
    """
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    mean, total = unit.mean(axis=0), np.zeros(unit.shape[1])
    free = np.ones(len(unit), dtype=bool)
    chosen = []
    for k in range(1, min(keep, len(unit)) + 1):
        away = np.square(mean - (unit + total) / k).sum(axis=1)
        away[~free] = np.inf
        best = int(np.argmin(away))
        chosen.append(best)
        free[best] = False
        total += unit[best]
    return np.array(chosen, dtype=np.int64)
