"""Policy gradients reach the known optimum of 364 sequences, and no mistake in them does.

`benchmarks/policy_toys.py` has the study over five seeds; here is one, with its gate.
"""

import importlib
import sys
from pathlib import Path

import jaxtyping
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SEED = 1


@pytest.fixture(autouse=True, scope="module")
def unchecked():
    """Shapes are checked in every other test."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="module")
def toys():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
        return importlib.import_module("policy_toys")


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
