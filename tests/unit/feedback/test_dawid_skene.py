"""Dawid and Skene's model on annotators whose errors are known."""

import numpy as np
import pytest

from annotated import planted, votes_of
from madrigal.feedback.dawid_skene import dawid_skene

TWO = [[[1 - e, e], [f, 1 - f]] for e, f in ((0.1, 0.1), (0.05, 0.3), (0.3, 0.3), (0.15, 0.05))]
THREE = [
    [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.05, 0.15, 0.8]],
    [[0.9, 0.1, 0.0], [0.2, 0.6, 0.2], [0.0, 0.1, 0.9]],
    [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.1, 0.7]],
    [[0.95, 0.03, 0.02], [0.3, 0.5, 0.2], [0.05, 0.05, 0.9]],
]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("confusion", [TWO, THREE], ids=["two levels", "three levels"])
def test_planted_confusion_is_recovered(confusion, seed):
    votes, truth = planted(confusion, 20000, 4, seed)
    found = dawid_skene(votes)
    assert np.abs(found.confusion - confusion).max() < 0.03
    assert np.abs(found.prior - 1 / len(found.levels)).max() < 0.03
    right = (found.truth.argmax(axis=1) == truth).mean()
    assert right > 0.9
    assert right > (_majority(votes) == truth).mean()


def test_missing_votes_do_no_harm():
    votes, _ = planted(TWO, 8000, 4, seed=5)
    some = np.random.default_rng(0).random(len(votes.item)) < 0.75
    found = dawid_skene(votes.keep(some))
    assert np.abs(found.confusion - TWO).max() < 0.04


def test_an_annotator_who_always_says_the_opposite_is_turned_round():
    reversed_ = [[0.1, 0.9], [0.9, 0.1]]
    votes, truth = planted([*TWO, reversed_], 2000, 5, seed=0)
    found = dawid_skene(votes)
    assert np.abs(found.confusion[4] - reversed_).max() < 0.03
    assert found.accuracy[4] == pytest.approx(0.1, abs=0.03)
    assert (found.truth.argmax(axis=1) == truth).mean() > 0.95


def test_a_prior_keeps_one_vote_from_deciding():
    votes = votes_of([0, 0, 0, 1, 1], [1, 1, 0, 0, 0], [0, 1, 2, 0, 1])
    # Annotator 2 said 0 once, where the others say 1.
    unsure, sure = (dawid_skene(votes, smoothing=s).confusion[2, 1, 0] for s in (1.0, 0.0))
    assert unsure < 0.7 < 0.99 < sure


def test_votes_without_name_are_left_out():
    votes, _ = planted(TWO, 500, 3, seed=0)
    nameless = votes_of(
        np.append(votes.item, votes.item), np.append(votes.value, 1 - votes.value),
        np.append(votes.annotator, np.full(len(votes.item), -1)),
    )  # fmt: skip
    assert np.array_equal(dawid_skene(nameless).confusion, dawid_skene(votes).confusion)


def test_weights_count_items_as_often():
    votes, _ = planted(TWO, 60, 3, seed=0)
    twice = votes_of(
        np.append(votes.item, votes.item + 60), np.tile(votes.value, 2), np.tile(votes.annotator, 2)
    )
    weighted = dawid_skene(votes, weight=np.full(60, 2.0))
    assert np.allclose(weighted.confusion, dawid_skene(twice).confusion)


def _majority(votes):
    items = len(votes.prompt)
    cells = np.bincount(votes.item * 3 + votes.value.astype(int), minlength=3 * items)
    return cells.reshape(items, 3).argmax(axis=1)
