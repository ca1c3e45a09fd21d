"""Planted spammers are found, and nobody else is accused."""

from dataclasses import replace

import numpy as np
import pytest

from annotated import competent, flipped, pair, planted
from madrigal.errors import DataError
from madrigal.feedback.annotators import annotators, need_annotators, why_not
from madrigal.feedback.competence import competence_range
from madrigal.feedback.mace import mace
from madrigal.feedback.votes import comparisons

HONEST = [0.9, 0.85, 0.8, 0.9, 0.75, 0.85]
SPAM = [0.0, 0.0]
SEEDS = range(5)


def verdicts(confusion, seed, items=500):
    votes, _ = planted(confusion, items, 4, seed, levels=(-1, 1))
    return [one.verdict for one in annotators(votes).each]


@pytest.mark.parametrize("seed", SEEDS)
def test_planted_spammers_are_found(seed):
    """One tosses a coin, one nearly always says the same."""
    confusion = competent([*HONEST, *SPAM], [0.5] * 7 + [0.9])
    assert verdicts(confusion, seed) == [""] * 6 + ["guesses"] * 2


@pytest.mark.parametrize("seed", SEEDS)
def test_the_clean_twin_accuses_nobody(seed):
    assert verdicts(competent([*HONEST, 0.85, 0.8]), seed) == [""] * 8


@pytest.mark.parametrize("seed", SEEDS)
def test_who_is_only_worse_than_others_is_not_accused(seed):
    assert verdicts(competent([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.9, 0.35]), seed) == [""] * 8


@pytest.mark.parametrize("seed", SEEDS)
def test_who_says_the_opposite_is_told_from_who_guesses(seed):
    reversed_ = [[0.1, 0.9], [0.9, 0.1]]
    confusion = [*competent([*HONEST, 0.0]), np.array(reversed_)]
    assert verdicts(confusion, seed) == [""] * 6 + ["guesses", "reversed"]


def test_few_votes_convict_nobody_who_is_honest():
    for seed in range(10):
        assert verdicts(competent([*HONEST, 0.85, 0.8]), seed, items=30) == [""] * 8


def test_competence_is_recovered_with_its_interval():
    true = np.array([*HONEST, 0.4, 0.0])
    held = np.zeros(8)
    for seed in range(10):
        votes, _ = planted(competent(true), 400, 4, seed)
        value, low, high = competence_range(votes, mace(votes)).T
        assert np.abs(value - true).max() < 0.25
        held += (low <= true) & (true <= high)
    assert held.min() >= 7
    assert held.mean() >= 8.5


def test_restarts_help_and_the_seed_decides():
    votes, _ = planted(competent([*HONEST, *SPAM]), 100, 3, seed=2)
    one, again, ten = mace(votes, 1, seed=7), mace(votes, 1, seed=7), mace(votes, 10, seed=7)
    assert np.array_equal(one.competence, again.competence)
    assert ten.log_likelihood >= one.log_likelihood


def test_a_frequent_level_is_not_taken_for_a_habit():
    """Nine items of ten are of one level, and everybody looks."""
    random = np.random.default_rng(0)
    truth = (random.random(800) < 0.1).astype(int)
    votes, _ = planted(competent([0.8] * 5), 800, 4, seed=0)
    meant = random.random(len(votes.item)) < 0.8
    guess = random.random(len(votes.item)) < 0.5
    skewed = replace(votes, value=np.where(meant, truth[votes.item], guess).astype(float))
    fit = mace(skewed)
    assert np.abs(fit.competence - 0.8).max() < 0.1
    assert np.abs(competence_range(skewed, fit)[:, 0] - 0.8).max() < 0.1


def test_who_surely_knows_a_little_does_not_guess():
    """Far below the others, but with so many votes that it is no guessing."""
    assert verdicts(competent([0.9, 0.9, 0.9, 0.9, 0.25]), seed=0, items=3000) == [""] * 5


def test_the_flip_rate_counts_votes_and_not_annotators():
    """Who flips half of their votes gave few of them."""
    votes, _ = planted(competent([0.9, 0.9, 0.9, 0.9, 0.0]), 1500, 5, seed=0, levels=(-1, 1))
    few = (votes.annotator < 4) | (votes.item % 10 == 0)
    flips = annotators(votes.keep(few)).flip_rate
    share = (4 * 0.05 + 0.1 * 0.5) / 4.1
    assert flips.low < share < flips.high
    assert flips.value == pytest.approx(share, abs=0.01)  # the mean over annotators is 0.14
    assert flips.n == 4 * 1500 + 150


def test_why_not():
    assert "no vote names" in why_not(comparisons(flipped(50, 3, 0.1, 0, named=False)))
    assert "three named annotators" in why_not(comparisons(flipped(50, 2, 0.1, 0)))
    assert "only 20 items" in why_not(comparisons(flipped(20, 3, 0.1, 0)))
    assert why_not(comparisons(flipped(50, 3, 0.1, 0))) == ""


def test_a_vote_without_name_is_refused_where_annotators_are_asked_about():
    records = [pair(0, ("a", "b"), [("ann", 1)]), pair(1, ("a", "b"), [("", 1)])]
    with pytest.raises(DataError) as refused:
        need_annotators(records, "Dawid-Skene")
    assert refused.value.mistakes == (
        "votes.jsonl:2: no annotator, and Dawid-Skene weighs annotators against each other; "
        "name who gave each vote, or leave it out",
    )


def test_nobody_confirms_themselves():
    """A spammer who repeats a guess on each item three times is not more believable for it."""
    votes, _ = planted(competent([*HONEST, *SPAM]), 400, 4, seed=1, levels=(-1, 1))
    spam = votes.annotator >= 6
    rows = np.concatenate([np.arange(len(spam)), *[np.flatnonzero(spam)] * 2])
    again = annotators(votes.keep(rows))
    assert [one.verdict for one in again.each] == [""] * 6 + ["guesses"] * 2
    assert [one.votes for one in again.each] == [one.votes for one in annotators(votes).each]
