"""Policy gradients reach the known optimum of 364 sequences, and no mistake in them does.

`benchmarks/policy_toys.py` has the study over five seeds; here is one, with its gate.
"""

import pytest

from benches import bench

pytestmark = pytest.mark.usefixtures("unchecked")
SEED = 1


@pytest.fixture(scope="module")
def toys():
    return bench("policy_toys")


@pytest.mark.parametrize("name", ["PPO", "RLOO"])
def test_the_optimum_is_reached(toys, name):
    assert toys.passes(toys.measured(toys.GOOD[name], SEED))


MISTAKES = [
    "padding is learnt from",
    "drawn at temperature 0.7, scored at 1",
    "penalty with the wrong sign",
    "no penalty",
    "GRPO: scaled, k3 in the loss",
]


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_does_not_pass(toys, name):
    assert not toys.passes(toys.measured(toys.MUTANTS[name], SEED))


def test_every_mistake_is_tried(toys):
    assert set(toys.MUTANTS) == set(MISTAKES)
