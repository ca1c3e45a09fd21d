"""How often a label is the opposite of what most people would say: the flip rate."""

import math
from dataclasses import dataclass

import numpy as np

from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.measure import DRAWS, Measure, share
from madrigal.feedback.votes import Votes


@dataclass(frozen=True, slots=True)
class Flips:
    """What is known of the flip rate; each is None where it could not be measured.

    `repeated` from votes of several people about the same item, `dawid_skene` from the confusion of
    annotators, `own` from votes of one annotator about the same item (only what they would not say
    again: less than the whole), and `at_most` an upper bound: labels of which words alone predict
    a share a have a flip rate of at most 1 - a.
    """

    repeated: Measure | None = None
    dawid_skene: Measure | None = None
    own: Measure | None = None
    at_most: Measure | None = None

    @property
    def best(self) -> Measure | None:
        """The estimate to work with: a bound is none."""
        return self.repeated or self.dawid_skene


def implied_flip_rate(disagreement: float) -> float:
    """e from d = 2 e (1 - e), the chance that two labels of one item differ; 0.5 at the most."""
    return (1 - math.sqrt(max(0.0, 1 - 2 * disagreement))) / 2


def disagreement(votes: Votes, resampling: Resampling = DRAWS) -> Measure | None:
    """Of the other votes about the same item, the share that are opposite, as a mean over votes.

    Ties are left out. n counts the votes that have another beside them.
    """
    strict = votes.strict
    up, down = (
        np.bincount(strict.item[strict.value == sign], minlength=len(votes.prompt)).astype(float)
        for sign in (1, -1)
    )
    both = up + down
    opposite = np.where(both > 1, 2 * up * down / np.maximum(both - 1, 1), 0.0)
    return share(opposite, np.where(both > 1, both, 0.0), votes.prompt, resampling)


def repeated_flip_rate(votes: Votes, resampling: Resampling = DRAWS) -> Measure | None:
    """The flip rate e of repeated labels, from their disagreement d = 2 e (1 - e).

    It takes all items to be equally hard and votes to be flipped independently. Where some items
    are harder than others, the true mean flip rate is higher than e. None where no item has two
    votes.
    """
    found = disagreement(votes, resampling)
    return None if found is None else found.through(implied_flip_rate)
