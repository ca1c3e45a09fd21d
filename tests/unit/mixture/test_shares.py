import numpy as np
import pytest

from madrigal.errors import RecipeError
from madrigal.mixture.shares import (
    capped,
    in_examples,
    in_tokens,
    policy_shares,
    proportional,
    temperature,
    uniform,
)
from madrigal.mixture.size import TaskSize
from madrigal.recipe.stage import Balanced, Proportional, Temperature, Uniform, Weights

SIZES = np.array([900.0, 90.0, 10.0])


def task(name: str, examples: int, length: int = 10) -> TaskSize:
    return TaskSize(name, np.full(examples, length))


def test_proportional():
    np.testing.assert_allclose(proportional(SIZES), [0.9, 0.09, 0.01])


def test_temperature_two_takes_square_roots():
    np.testing.assert_allclose(temperature(np.array([16.0, 4.0, 1.0]), 2.0), [4 / 7, 2 / 7, 1 / 7])


def test_temperature_one_is_proportional_and_infinity_is_uniform():
    np.testing.assert_allclose(temperature(SIZES, 1.0), proportional(SIZES))
    np.testing.assert_allclose(temperature(SIZES, 1e9), uniform(SIZES), atol=1e-6)


def test_unimax_gives_the_small_task_its_cap_and_shares_the_rest():
    # 1200 draws: 400 each, but the smallest has 10 examples x 4 passes and the next 90 x 4.
    shares = capped(uniform(SIZES), SIZES * 4, 1200)
    np.testing.assert_allclose(shares * 1200, [800, 360, 40])


def test_a_cap_of_one_task_can_bind_another():
    # 25 each of 100; 10 to the first frees 15, which lifts the second over its cap of 28.
    shares = capped(uniform(np.ones(4)), np.array([10, 28, np.inf, np.inf]), 100)
    np.testing.assert_allclose(shares * 100, [10, 28, 31, 31])


def test_caps_that_are_too_small_together_give_their_own_shares():
    np.testing.assert_allclose(
        capped(uniform(SIZES), np.array([1.0, 1, 2]), 100), [0.25, 0.25, 0.5]
    )


def test_token_shares_and_example_shares_are_inverse():
    lengths = np.array([10.0, 100.0, 30.0])
    shares = in_examples(np.array([0.5, 0.25, 0.25]), lengths)
    np.testing.assert_allclose(shares, np.array([0.05, 0.0025, 0.25 / 30]) / (0.0525 + 0.25 / 30))
    np.testing.assert_allclose(in_tokens(shares, lengths), [0.5, 0.25, 0.25])


@pytest.mark.parametrize(
    ("mixture", "expected"),
    [
        (Proportional(), [0.8, 0.2]),
        (Proportional(unit="tokens"), [0.5, 0.5]),
        (Temperature(temperature=2.0), [2 / 3, 1 / 3]),
        (Uniform(), [0.5, 0.5]),
        (Balanced(), [0.5, 0.5]),
        (Weights(weights={"b": 3.0, "a": 1.0}), [0.25, 0.75]),
    ],
)
def test_policy(mixture, expected):
    tasks = [task("a", 400, 10), task("b", 100, 40)]
    np.testing.assert_allclose(policy_shares(mixture, tasks), expected)


def test_all_mistakes_of_weights_at_once():
    with pytest.raises(RecipeError) as caught:
        policy_shares(Weights(weights={"a": 2.0, "c": 1.0}), [task("a", 3), task("b", 3)])
    assert caught.value.mistakes == (
        "mixture.weights: no weight for task 'b'; give every task of the stage one",
        "mixture.weights.c: the stage does not learn 'c'; it learns 'a', 'b'",
    )
