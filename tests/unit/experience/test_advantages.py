import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madrigal.experience import among_equals, estimated, leave_one_out, token_rewards, whitened

SIZES = np.array([3, 1, 2])
REWARDS = np.array([0.0, 1.0, 2.0, 5.0, -1.0, 3.0])
VALUES = np.array([0.5, 1.5, 1.0, 2.0, 0.0, 1.0])


def test_three_steps_by_hand():
    advantages, returns = estimated(
        np.array([0.0, 0.0, 1.0]), np.array([0.2, 0.4, 0.6]), np.array([3]), 0.9, 0.5
    )
    third = 1 - 0.6
    second = 0.9 * 0.6 - 0.4 + 0.45 * third
    first = 0.9 * 0.4 - 0.2 + 0.45 * second
    np.testing.assert_allclose(advantages, [first, second, third])
    np.testing.assert_allclose(returns, [first + 0.2, second + 0.4, third + 0.6])


def test_the_whole_future_is_monte_carlo():
    advantages, returns = estimated(REWARDS, VALUES, SIZES, trace=1.0)
    np.testing.assert_allclose(returns, [3, 3, 2, 5, 2, 3])
    np.testing.assert_allclose(advantages, returns - VALUES)


def test_no_trace_is_the_surprise_of_one_token():
    advantages, _ = estimated(REWARDS, VALUES, SIZES, trace=0.0)
    following = np.array([1.5, 1.0, 0, 0, 1.0, 0])
    np.testing.assert_allclose(advantages, REWARDS + following - VALUES)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(0, 99))
def test_answers_do_not_touch_each_other(sizes, seed):
    numbers = np.random.default_rng(seed)
    sizes = np.array(sizes)
    rewards, values = numbers.normal(size=(2, sizes.sum()))
    whole, returns = estimated(rewards, values, sizes, 0.97, 0.9)
    cuts = np.cumsum(sizes)[:-1]
    alone = [
        estimated(r, v, np.array([len(r)]), 0.97, 0.9)
        for r, v in zip(np.split(rewards, cuts), np.split(values, cuts), strict=True)
    ]
    np.testing.assert_allclose(whole, np.concatenate([a for a, _ in alone]))
    np.testing.assert_allclose(returns, np.concatenate([r for _, r in alone]))


def test_a_score_is_given_at_the_last_token_and_the_penalty_at_every_one():
    ratios = np.array([0.1, 0.2, -0.3, 0.4, 0.0, 1.0])
    found = token_rewards(np.array([1.0, 2.0, 3.0]), ratios, SIZES, 0.5)
    np.testing.assert_allclose(found, [-0.05, -0.1, 1.15, 1.8, 0.0, 2.5])


def test_an_empty_answer():
    with pytest.raises(ValueError, match=r"^answer 1 has no token; an empty answer cannot be re"):
        token_rewards(np.ones(2), np.zeros(2), np.array([2, 0]), 0.5)


def test_leave_one_out_by_hand():
    rewards, groups = np.array([1.0, 4.0, 2.0, 7.0, 3.0]), np.array([0, 9, 0, 9, 0])
    found = leave_one_out(rewards, groups)
    np.testing.assert_allclose(found, [1 - 2.5, 4 - 7, 2 - 2, 7 - 4, 3 - 1.5])
    np.testing.assert_allclose(among_equals(rewards, groups), [-1, -1.5, 0, 1.5, 1])


def test_leave_one_out_is_the_mean_stretched():
    rewards, groups = np.random.default_rng(0).normal(size=12), np.arange(12) // 4
    np.testing.assert_allclose(
        leave_one_out(rewards, groups), among_equals(rewards, groups) * 4 / 3
    )


def test_one_answer_to_a_prompt():
    with pytest.raises(ValueError, match=r"^prompt 7 has one answer; leave-one-out needs two"):
        leave_one_out(np.ones(3), np.array([5, 7, 5]))


def test_scaled_groups():
    rewards, groups = np.array([1.0, 2.0, 3.0, 5.0, 5.0]), np.array([0, 0, 0, 1, 1])
    found = among_equals(rewards, groups, scaled=True, floor=0.5)
    np.testing.assert_allclose(found, [-1 / 1.5, 0, 1 / 1.5, 0, 0])


def test_whitened():
    values = np.random.default_rng(0).normal(3, 2, 50)
    white = whitened(values)
    assert white.mean() == pytest.approx(0, abs=1e-12)
    assert white.std() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(whitened(values, shift=False), white + values.mean())
    assert np.isfinite(whitened(np.full(4, 2.0))).all()
