"""Planted noise in feedback, briefly: `benchmarks/planted_feedback.py` has five seeds.

A shortcut by length is planted in `tests/oracle/test_length_debias.py` too.
"""

import importlib
import sys
from pathlib import Path

import jaxtyping
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SEED = 7


@pytest.fixture(autouse=True, scope="module")
def unchecked():
    """Shapes are checked in every other test."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="module")
def bench():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
        return importlib.import_module("planted_feedback")


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.3])
def test_turned_verdicts_are_counted(bench, rate):
    assert all(abs(found - rate) < 0.03 for found in bench.flips(rate, SEED).values())


def test_the_coin_tosser_is_found_and_nobody_else(bench):
    assert bench.spammer(SEED) == {"found": 1.0, "others": 0}


def test_pairs_of_training_follow_length_and_those_of_test_do_not(bench):
    def longer(rows):
        sizes = [(len(r["chosen"].split()), len(r["rejected"].split())) for r in rows]
        return sum(a > b for a, b in sizes) / len(sizes)

    assert longer(bench.pairs(SEED, test=False)) > 0.75
    assert longer(bench.pairs(SEED, test=True)) == 0.0
