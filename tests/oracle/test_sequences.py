"""Preferences among 364 enumerable sequences, briefly.

`benchmarks/preference_toys.py` has the study over five seeds. A tiny transformer learns from
sampled pairs and is compared with known optima.
"""

import numpy as np
import pytest
import torch

from benches import bench
from madrigal.objectives import Dpo, Ipo, Kto, RatingDifference, Reward

pytestmark = pytest.mark.usefixtures("unchecked")
SEED, PAIRS, STEPS, FLIPS = 0, 4096, 150, 0.2


@pytest.fixture(scope="module")
def toy():
    return bench("sequences")


@pytest.fixture(scope="module")
def stated(toy):
    """The distances that were stated beforehand; the study says which of them are met, and how."""
    return bench("preference_toys").STATED


@pytest.fixture(scope="module")
def reference(toy):
    return toy.policy(toy.Model(SEED))


def learnt(toy, reference, objective, flips=0.0):
    """The policy after a short training on sampled pairs."""
    model = toy.Model(SEED)
    toy.train(model, objective, toy.pairs(reference, SEED, flips, PAIRS), STEPS, SEED)
    return toy.policy(model)


def missing(toy, reference, found):
    return toy.value(toy.best(reference), reference) - toy.value(found, reference)


def test_all_sequences_are_there(toy, reference):
    assert len(toy.ANSWERS) == len(set(toy.ANSWERS)) == 364
    assert reference.sum() == pytest.approx(1, abs=1e-6)


def test_nothing_is_better_than_the_best(toy, reference):
    best = toy.best(reference)
    for share in (0.01, 0.1):
        other = (1 - share) * best + share * reference
        assert toy.value(other, reference) < toy.value(best, reference)


def test_what_is_known_of_a_problem(toy, reference):
    known, best = toy.facts(reference), toy.best(reference)
    assert known.value == pytest.approx(toy.value(best, reference))
    assert known.value == pytest.approx(known.reward - toy.BETA * known.kl)
    assert known.start == pytest.approx(toy.value(reference, reference))


def test_dpo(toy, reference, stated):
    found = learnt(toy, reference, Dpo(toy.BETA))
    assert toy.tv(found, toy.best(reference)) < stated["DPO, TV"] == 0.155
    assert missing(toy, reference, found) < stated["DPO, J"] == 0.03


def test_ipo_finds_its_own_optimum_and_not_that_of_dpo(toy, reference):
    found = learnt(toy, reference, Ipo(toy.BETA))
    assert toy.tv(found, toy.best_of_ipo(reference)) < 0.05
    assert toy.tv(found, toy.best(reference)) > 0.3


def test_rating_difference(toy, reference):
    objective = RatingDifference(toy.BETA, float(np.ptp(toy.REWARD)))
    found = learnt(toy, reference, objective)
    assert toy.tv(found, toy.best(reference)) < 0.1


def test_flips_are_corrected(toy, reference, stated):
    plain = missing(toy, reference, learnt(toy, reference, Dpo(toy.BETA), FLIPS))
    objective = Dpo(toy.BETA, flip_rate=FLIPS)
    robust = missing(toy, reference, learnt(toy, reference, objective, FLIPS))
    assert robust < stated["rDPO, J"] == 0.317
    assert plain > robust + 0.1


def test_kto_moves_towards_good_answers(toy, reference):
    model, data = toy.Model(SEED), toy.thumbs(reference, SEED, PAIRS)
    good = np.median(toy.REWARD[data.drawn]) < toy.REWARD
    toy.train(model, Kto(toy.BETA), data, STEPS, SEED)
    found = toy.policy(model)
    assert found[good].sum() > reference[good].sum() + 0.1
    assert found @ toy.REWARD > reference @ toy.REWARD + 0.1


@pytest.mark.parametrize(
    ("objective", "flips", "low", "high"),
    [
        (Reward(centring=0.0), 0.0, 0.85, 1.15),
        (Reward(centring=0.0), FLIPS, 0.2, 0.75),
        (Reward(centring=0.0, flip_rate=FLIPS), FLIPS, 0.8, 1.2),
    ],
    ids=["plain", "plain with flips", "corrected with flips"],
)
def test_a_reward_model_learns_order_and_scale(toy, reference, objective, flips, low, high):
    model = toy.Model(SEED, outputs=1)
    data = toy.pairs(reference, SEED, flips, PAIRS)
    toy.train(model, objective, data, STEPS, SEED, toy.score_outputs)
    with torch.no_grad():
        found = toy.answer_scores(model)[:, 0].numpy()
    centred = toy.REWARD - reference @ toy.REWARD
    slope = (reference * centred) @ found / ((reference * centred) @ toy.REWARD)
    assert low < slope < high
    above = toy.REWARD[:, None] > toy.REWARD
    assert (found[:, None] > found)[above].mean() > 0.9
