import math
from dataclasses import replace

import numpy as np
import pytest

from madrigal.experience.lessons import Written, chosen, lessons
from madrigal.recipe import policy
from madrigal.tasks.encoded import Encoded

EXACT = {"reward": [{"kind": "exact"}]}
SIZES = (2, 1, 1, 3)


def written(rewards=(1.0, 3.0, 5.0, 5.0), group=(0, 0, 1, 1), sizes=SIZES, values=None):
    """Answers behind a prompt of one token; each token is 0.5 nats likelier than before."""
    rows = [Encoded(np.arange(size + 1), np.arange(size + 1) > 0) for size in sizes]
    count = sum(sizes)
    old = -np.arange(1.0, count + 1)
    return Written(rows, np.array(group), np.array(rewards), old, old - 0.5, values, fresh=1e-3)


def test_rloo_pays_for_the_divergence_and_compares_with_the_others():
    found = lessons(policy.Rloo(**EXACT), written(), beta=1.0)
    # Rewards less what 2, 1, 1 and 3 tokens cost: 0, 2.5, 4.5, 3.5.
    worth = [[row.acted.advantage for row in found[g]] for g in (0, 1)]
    np.testing.assert_allclose(worth[0][0], [-2.5, -2.5])
    np.testing.assert_allclose(worth[0][1], [2.5])
    np.testing.assert_allclose(worth[1][0], [1.0])
    np.testing.assert_allclose(worth[1][1], [-1.0] * 3)
    np.testing.assert_array_equal(found[1][1].acted.old, [-5, -6, -7])
    assert found[0][0].acted.fresh == 1e-3


def test_grpo_compares_rewards_alone_and_keeps_the_reference():
    found = lessons(policy.Grpo(**EXACT), written(), beta=7.0)
    np.testing.assert_allclose(found[0][1].acted.advantage, [1.0])
    np.testing.assert_allclose(found[1][0].acted.advantage, [0.0])
    np.testing.assert_allclose(found[0][0].acted.reference, [-1.5, -2.5])


def test_ppo_learns_what_the_critic_did_not_expect():
    values = np.array([0.5, 1.0, 2.0, 5.0, 5.0, 5.0, 5.0])
    settings = policy.Ppo(**EXACT, trace=1.0, whiten=False)
    found = lessons(settings, written(values=values), beta=0.0)
    first = found[0][0].acted
    np.testing.assert_allclose(first.returns, [1.0, 1.0])
    np.testing.assert_allclose(first.advantage, [0.5, 0.0])
    np.testing.assert_allclose(first.value, [0.5, 1.0])
    white = lessons(policy.Ppo(**EXACT), written(values=values), beta=0.0)
    each = np.concatenate([row.acted.advantage for rows in white.values() for row in rows])
    assert each.mean() == pytest.approx(0, abs=1e-12)
    assert each.std() == pytest.approx(1)


def test_the_best_is_learnt_as_it_stands():
    found = lessons(policy.BestOfN(**EXACT), written(), beta=0.0)
    assert [len(rows) for rows in found.values()] == [1, 1]
    assert found[0][0].answer_tokens == 1
    assert found[1][0].answer_tokens == 1  # of equal ones the first
    assert found[0][0].acted is None


def test_the_best_and_the_worst_are_a_pair_and_equal_ones_are_none():
    found = lessons(policy.OnlineDpo(**EXACT), written(), beta=0.0)
    assert set(found) == {0}
    better, worse = (row.judged for row in found[0])
    assert (better.wins[1], worse.wins[0]) == (1.0, 0.0)
    assert math.isnan(better.wins[0])
    assert (better.reference, worse.reference) == (-3.5, -4.0)


@pytest.mark.parametrize("kind", [policy.Rloo, policy.Grpo])
def test_an_answer_alone_is_left_out(kind):
    found = lessons(kind(**EXACT), written(group=(0, 1, 1, 1)), beta=0.0)
    assert set(found) == {1}
    assert len(found[1]) == 3


@pytest.mark.parametrize(
    "settings", [policy.Rloo, policy.Grpo, policy.Ppo, policy.BestOfN, policy.OnlineDpo]
)
def test_nothing_is_learnt_from_nothing(settings):
    none = chosen(written(values=np.zeros(7)), lambda number: number < 0)
    assert lessons(settings(**EXACT), none, beta=0.1) == {}


def test_chosen_takes_whole_answers():
    kept = chosen(written(values=np.arange(7.0)), lambda number: number in (1, 3))
    np.testing.assert_array_equal(kept.old, [-3, -5, -6, -7])
    np.testing.assert_array_equal(kept.values, [2, 4, 5, 6])
    np.testing.assert_array_equal(kept.sizes, [1, 3])
    assert kept.kept is None
    np.testing.assert_allclose(kept.by_answer(kept.away), [0.5, 1.5])


def test_each_answer_has_the_tokens_that_it_was_drawn_from():
    sets = [np.full((size, 1), number, dtype=np.uint8) for number, size in enumerate(SIZES)]
    held = replace(written(), kept=sets)
    found = lessons(policy.Rloo(**EXACT), held, beta=0.0)
    assert [[row.acted.kept.tolist() for row in found[g]] for g in (0, 1)] == [
        [[[0], [0]], [[1]]], [[[2]], [[3]] * 3],
    ]  # fmt: skip
    some = chosen(held, lambda number: number in (1, 3))
    assert [one.tolist() for one in some.kept] == [[[1]], [[3]] * 3]
