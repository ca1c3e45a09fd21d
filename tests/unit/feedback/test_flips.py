"""Planted flip rates, with and without names, are recovered; single labels promise no more."""

import numpy as np
import pytest

from annotated import flipped, pair
from madrigal.evaluation.measure import Measure
from madrigal.feedback.annotators import annotators
from madrigal.feedback.bag_of_words import at_most, out_of_fold
from madrigal.feedback.flips import Flips, implied_flip_rate, repeated_flip_rate
from madrigal.feedback.inspect import inspect
from madrigal.feedback.votes import comparisons

RATES = (0.1, 0.2, 0.3)


def test_disagreement_implies_the_flip_rate():
    for e in (0.0, 0.07, 0.3, 0.5):
        assert implied_flip_rate(2 * e * (1 - e)) == pytest.approx(e)
    assert implied_flip_rate(0.6) == 0.5  # worse than coins: no more than one half


@pytest.mark.parametrize("rate", RATES)
def test_planted_flips_are_recovered_from_repeated_votes(rate):
    found = [
        repeated_flip_rate(comparisons(flipped(1200, 3, rate, seed, named=False)))
        for seed in range(5)
    ]
    assert max(abs(one.value - rate) for one in found) < 0.03
    assert sum(one.low <= rate <= one.high for one in found) >= 4


@pytest.mark.parametrize("rate", RATES)
def test_planted_flips_are_recovered_by_dawid_and_skene(rate):
    found = [annotators(comparisons(flipped(800, 4, rate, seed))).flip_rate for seed in range(3)]
    assert max(abs(one.value - rate) for one in found) < 0.03
    assert sum(one.low <= rate <= one.high for one in found) >= 2


def test_the_interval_holds_the_rate_as_often_as_it_says():
    held = [
        one.low <= 0.2 <= one.high
        for one in (repeated_flip_rate(comparisons(flipped(150, 3, 0.2, s))) for s in range(30))
    ]
    assert sum(held) >= 25


def test_ties_are_no_flips():
    said = [[("a", 1), ("b", 0)], [("a", 1), ("b", 1)], [("a", 0), ("b", 0)]]
    records = [pair(k, (f"x{k}", f"y{k}"), votes) for k, votes in enumerate(said)]
    found = repeated_flip_rate(comparisons(records))
    assert found.value == 0.0
    assert found.n == 2


def told_by_words(items: int, flip_rate: float, seed: int):
    """Pairs whose better answer has a word of its own, each judged once."""
    random = np.random.default_rng(seed)
    filler = [f"word{k}" for k in range(50)]
    for number in range(items):
        texts = [" ".join(random.choice(filler, 8)) for _ in range(2)]
        better = int(random.integers(2))
        texts[better] += " thanks"
        right = random.random() >= flip_rate
        said = 1 if (better == 0) == right else -1
        yield pair(number, (texts[0], texts[1]), [("", said)])


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seed", range(3))
def test_words_bound_the_flip_rate_of_single_labels(rate, seed):
    found = at_most(comparisons(list(told_by_words(1500, rate, seed)))).through(lambda a: 1 - a)
    assert found.high >= rate
    assert found.value < rate + 0.1  # here words tell nearly all


def test_the_bound_is_that_of_the_surest_tenth():
    """Words tell a third of the pairs, and nothing of the others: on the whole they are poor."""
    told = list(told_by_words(500, 0.1, seed=0))
    random = np.random.default_rng(1)
    others = [
        pair(1000 + k, (f"one {k}", f"two {k}"), [("", int(random.choice([-1, 1])))])
        for k in range(1000)
    ]
    found = at_most(comparisons(told + others))
    assert found.n == pytest.approx(150, abs=20)
    assert found.value > 0.8


def test_words_that_tell_nothing_bound_nothing():
    random = np.random.default_rng(0)
    records = [
        pair(k, (f"a{random.integers(9)} x", f"b{random.integers(9)} y"), [("", 1 - 2 * (k % 2))])
        for k in range(600)
    ]
    found = at_most(comparisons(records)).through(lambda a: 1 - a)
    assert found.high > 0.45


def test_a_prompt_is_never_learnt_from():
    """Each prompt has four copies with one random verdict: seen once, it would be known."""
    random = np.random.default_rng(1)
    cluster = np.repeat(np.arange(150), 4)
    value = random.choice([-1.0, 1.0], 150)[cluster]
    chance = out_of_fold(
        [f"p{k} left" for k in cluster], [f"q{k} right" for k in cluster], value, cluster
    )
    assert ((chance > 0.5) == (value > 0)).mean() < 0.65


def test_the_best_estimate_is_no_bound_and_not_what_annotators_admit():
    some = Measure(0.2, 0.1, 0.3, 9)
    assert Flips(at_most=some, own=some).best is None
    assert Flips(dawid_skene=some).best == some


def test_too_few_single_labels_say_why():
    part = inspect(flipped(50, 1, 0.1, 0, named=False), ("flips",)).parts[0]
    assert part.flip_rate is None
    assert part.missing["flips"] == (
        "no item has two votes, and it takes 200 comparisons to learn what words tell"
    )
