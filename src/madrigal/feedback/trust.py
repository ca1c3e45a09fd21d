"""How much each annotator counts where several people's judgements become one."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from madrigal.errors import DataError
from madrigal.evaluation.measure import DRAWS
from madrigal.feedback.annotators import need_annotators, once, why_not
from madrigal.feedback.competence import competence_range
from madrigal.feedback.dawid_skene import dawid_skene
from madrigal.feedback.look import looks
from madrigal.feedback.mace import mace
from madrigal.feedback.votes import Votes
from madrigal.tasks.record import Record

How = Literal["dawid_skene", "mace"]


def trust(records: Sequence[Record], how: How, seed: int = 0) -> dict[str, float]:
    """A weight from 0 to 1 for each annotator: 1 says what is true, 0 says nothing.

    "dawid_skene": (b - 1/C) / (1 - 1/C), not below 0, where b is the mean over the C levels of the
    chance to say what is true: guessing, blind habit and upside-down scales all get 0. "mace": the
    competence, as the others see it. Over several kinds and aspects: the mean by votes.

    Raises:
        DataError: a judgement without annotator, or too little to tell annotators apart.
    """
    need_annotators(records, how)
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    for look in looks(records, DRAWS):
        reason = why_not(look.votes)
        if reason:
            raise DataError(f"{how} cannot weigh annotators, {reason}; take `mean`")
        votes = once(look.votes)
        weights = _by_accuracy(votes) if how == "dawid_skene" else _by_competence(votes, seed)
        given = np.bincount(votes.annotator, minlength=len(votes.names)).tolist()
        for name, weight, n in zip(votes.names, weights.tolist(), given, strict=True):
            sums[name] = sums.get(name, 0.0) + n * weight
            counts[name] = counts.get(name, 0) + n
    return {name: sums[name] / max(1, counts[name]) for name in sums}


def _by_accuracy(votes: Votes) -> Float[np.ndarray, " A"]:
    fit = dawid_skene(votes.mirrored if votes.answers.shape[1] == 2 else votes)
    chance = 1 / len(fit.levels)
    balanced = np.einsum("acc->ac", fit.confusion).mean(axis=1)
    return np.clip((balanced - chance) / (1 - chance), 0, 1)


def _by_competence(votes: Votes, seed: int) -> Float[np.ndarray, " A"]:
    return competence_range(votes, mace(votes, seed=seed))[:, 0]
