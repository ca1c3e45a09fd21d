"""What can be said of each annotator who has a name, from two models of annotators."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from jaxtyping import Float

from madrigal.errors import DataError
from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.measure import DRAWS, Measure, draws, spread
from madrigal.feedback.competence import competence_range
from madrigal.feedback.dawid_skene import DawidSkene, dawid_skene
from madrigal.feedback.mace import mace
from madrigal.feedback.votes import Votes
from madrigal.tasks.record import Record

LEAST_ITEMS = 30  # with votes of three annotators
_REFITS = 50
_GUESS = 0.1  # competence
_MOST_LEVELS = 12

Verdict = Literal["", "guesses", "reversed"]


@dataclass(frozen=True, slots=True)
class Annotator:
    """One annotator. `accuracy` is by Dawid and Skene, `competence` by MACE, as the others see it.

    "guesses": the competence may be 0.1 or less, and is surely less than half of the median one.
    "reversed": says the opposite of what is true surely more often than what is true.
    The intervals behind a verdict are widened for the number of annotators (Bonferroni).
    """

    name: str
    votes: int
    accuracy: Measure
    competence: Measure
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Annotators:
    """All of them, by name, and the flip rate of their votes; None where ratings have no sides."""

    each: tuple[Annotator, ...]
    flip_rate: Measure | None


def why_not(votes: Votes) -> str:
    """Why annotators cannot be told apart by these votes; empty where they can."""
    known = votes.keep(votes.annotator >= 0)
    if not len(known.item):
        return "no vote names its annotator"
    several = int((_annotators_of(known) >= 3).sum())
    if several < LEAST_ITEMS:
        found = "no item has" if not several else f"only {several:,} items have"
        return f"{found} votes of three named annotators, and it takes {LEAST_ITEMS}"
    if len(np.unique(known.value)) == 1:
        return "all votes are the same"
    if len(np.unique(known.value)) > _MOST_LEVELS:
        return f"the ratings have more than {_MOST_LEVELS} values"
    return ""


def need_annotators(records: Sequence[Record], what: str) -> None:
    """Refuse feedback without names where something per annotator is asked for.

    Raises:
        DataError: one line, at the first vote without annotator.
    """
    for record in records:
        for judgement in record.feedback.judgements if record.feedback else ():
            if not judgement.annotator:
                raise DataError(
                    f"{record.where}: no annotator, and {what} weighs annotators against each "
                    "other; name who gave each vote, or leave it out"
                )


def annotators(votes: Votes, resampling: Resampling = DRAWS) -> Annotators:
    """Dawid and Skene's model and MACE, with intervals; `why_not` must have nothing to say.

    The spread of accuracies and flip rate comes from fits to draws of prompts, begun at the first.
    Comparisons are counted in both orders of the pair for Dawid and Skene's model, so that no
    annotator has a leaning to an order that means nothing. Of several votes of one annotator about
    one item the first counts: no one confirms themselves.
    """
    pairs = votes.answers.shape[1] == 2
    votes = once(votes)
    table = votes.mirrored if pairs else votes
    fit = dawid_skene(table)
    counts = np.bincount(votes.annotator[votes.annotator >= 0], minlength=len(votes.names))
    sided = {-1.0, 1.0} <= set(fit.levels) <= {-1.0, 0.0, 1.0}
    refits = _refits(table, fit, resampling)
    accuracies = np.stack([one.accuracy for one in refits])
    sure = 1 - (1 - resampling.confidence) / len(votes.names)
    opposed = _opposed(fit, refits, sure) if sided else np.zeros(len(votes.names), bool)
    guessed, competences = _competences(votes, sure, resampling)
    each = tuple(
        Annotator(
            name,
            int(counts[a]),
            spread(float(fit.accuracy[a]), accuracies[:, a], int(counts[a]), resampling),
            competences[a],
            "reversed" if opposed[a] else "guesses" if guessed[a] else "",
        )
        for a, name in enumerate(votes.names)
    )
    flips = None
    if sided:
        drawn = np.array([flip_rate(one, counts) for one in refits])
        flips = spread(flip_rate(fit, counts), drawn, int(counts.sum()), resampling)
    return Annotators(tuple(sorted(each, key=lambda one: one.name)), flips)


def flip_rate(fit: DawidSkene, counts: np.ndarray) -> float:
    """Of votes that are no tie about items that are none, the share on the wrong side."""
    same, opposite = _sides(fit)
    return float(counts @ opposite / (counts @ (same + opposite)))


def _sides(fit: DawidSkene) -> tuple[Float[np.ndarray, " A"], Float[np.ndarray, " A"]]:
    """Chance that an annotator says the true side, and that they say the other one."""
    low, high = fit.levels.index(-1.0), fit.levels.index(1.0)
    same = sum(fit.prior[c] * fit.confusion[:, c, c] for c in (low, high))
    opposite = sum(fit.prior[c] * fit.confusion[:, c, o] for c, o in ((low, high), (high, low)))
    return np.asarray(same), np.asarray(opposite)


def _refits(votes: Votes, fit: DawidSkene, resampling: Resampling) -> list[DawidSkene]:
    prompts, prompt = np.unique(votes.prompt, return_inverse=True)
    return [
        dawid_skene(votes, 20, tolerance=1e-6, weight=row[prompt], start=fit)
        for row in draws(len(prompts), resampling, most=_REFITS)
    ]


def _opposed(fit: DawidSkene, refits: list[DawidSkene], sure: float) -> np.ndarray:
    """Who says the other side surely more often than the true one."""
    gaps = np.stack([np.subtract(*_sides(one)) for one in refits])
    z = NormalDist().inv_cdf((1 + sure) / 2)
    return np.subtract(*_sides(fit)) + z * gaps.std(axis=0, ddof=1) < 0


def _competences(
    votes: Votes, sure: float, resampling: Resampling
) -> tuple[np.ndarray, list[Measure]]:
    fitted = mace(votes, seed=resampling.seed)
    shown = competence_range(votes, fitted, resampling.confidence)
    _, least, most = competence_range(votes, fitted, sure).T
    counts = np.bincount(votes.annotator[votes.annotator >= 0], minlength=len(votes.names))
    found = [
        Measure(float(value), float(low), float(high), int(n))
        for (value, low, high), n in zip(shown, counts, strict=True)
    ]
    return (least <= _GUESS) & (most < np.median(shown[:, 0]) / 2), found


def once(votes: Votes) -> Votes:
    """The first vote of each named annotator about each item."""
    who = np.stack([votes.item, votes.annotator], axis=1)
    _, first = np.unique(who, axis=0, return_index=True)
    return votes.keep(np.sort(first)[votes.annotator[np.sort(first)] >= 0])


def _annotators_of(votes: Votes) -> np.ndarray:
    """How many annotators have said something about each item."""
    said = np.unique(np.stack([votes.item, votes.annotator], axis=1), axis=0)
    return np.bincount(said[:, 0], minlength=len(votes.prompt))
