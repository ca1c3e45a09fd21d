"""The agreement ceiling: what a model could show against these labels at best.

A perfect model predicts what most people would say. Labels of single people differ from that, so
not even a perfect model agrees with all of them.
"""

import math
from dataclasses import dataclass

import numpy as np

from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.measure import DRAWS, Measure, share
from madrigal.feedback.agreement import krippendorff
from madrigal.feedback.flips import repeated_flip_rate
from madrigal.feedback.votes import Votes


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Bounds of a perfect model's accuracy on verdicts without ties.

    `least` is the accuracy of the majority of the other votes against one vote (half where they
    are split): one predictor's, so the best has no less. `most` is 1 - e, where e is the flip rate
    that the votes' disagreement d = 2 e (1 - e) implies: the accuracy of a perfect model against
    one vote if all items were equally hard, and an upper bound if they are not, since then
    E[max(p, 1 - p)] <= (1 + sqrt(1 - 2 d)) / 2. `majority` is the upper bound where the label is
    the majority of the votes that each item has. n counts votes.
    """

    least: Measure
    most: Measure
    majority: Measure


def ceiling(votes: Votes, resampling: Resampling = DRAWS) -> Ceiling | None:
    """The ceiling of comparisons (-1 and 1; ties are left out); None without repeated labels."""
    strict = votes.strict
    held_out = _held_out(strict, resampling)
    flips = repeated_flip_rate(strict, resampling)
    if held_out is None or flips is None:
        return None
    counts = np.bincount(strict.item)
    counts = counts[counts > 1]
    return Ceiling(
        held_out,
        flips.through(lambda e: 1 - e),
        flips.through(lambda e: float(np.mean([majority_right(e, int(m)) for m in counts]))),
    )


def majority_right(flip_rate: float, votes: int) -> float:
    """Chance that most of some votes are right, with half of the chance that they are split."""
    return sum(
        math.comb(votes, wrong)
        * flip_rate**wrong
        * (1 - flip_rate) ** (votes - wrong)
        * (1.0 if 2 * wrong < votes else 0.5 if 2 * wrong == votes else 0.0)
        for wrong in range(votes + 1)
    )


def correlation_ceiling(ratings: Votes, resampling: Resampling = DRAWS) -> Measure | None:
    """The highest correlation that a model can have with one rater: sqrt(reliability).

    The reliability is Krippendorff's alpha for intervals, which estimates the correlation between
    two ratings of one item (Spearman's correction for attenuation, 1904).
    """
    found = krippendorff(ratings, "interval", resampling)
    return None if found is None else found.through(lambda a: math.sqrt(max(a, 0.0)))


def _held_out(votes: Votes, resampling: Resampling) -> Measure | None:
    sums = np.bincount(votes.item, votes.value, minlength=len(votes.prompt))
    counts = np.bincount(votes.item, minlength=len(votes.prompt))
    several = counts[votes.item] > 1
    others = np.sign(sums[votes.item] - votes.value)
    right = (1 + others * votes.value) / 2
    return share(right * several, several.astype(np.float64), votes.cluster, resampling)
