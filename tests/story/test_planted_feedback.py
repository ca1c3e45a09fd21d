"""Planted noise in feedback, briefly: `benchmarks/planted_feedback.py` has five seeds.

A shortcut by length is planted in `tests/oracle/test_length_debias.py` too.
"""

import pytest

from benches import bench

pytestmark = pytest.mark.usefixtures("unchecked")
SEED = 7


@pytest.fixture(scope="module")
def study():
    return bench("planted_feedback")


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.3])
def test_turned_verdicts_are_counted(study, rate):
    assert all(abs(found - rate) < 0.03 for found in study.flips(rate, SEED).values())


def test_the_coin_tosser_is_found_and_nobody_else(study):
    assert study.spammer(SEED) == {"found": 1.0, "others": 0}


def test_pairs_of_training_follow_length_and_those_of_test_do_not(study):
    def longer(rows):
        sizes = [(len(r["chosen"].split()), len(r["rejected"].split())) for r in rows]
        return sum(a > b for a, b in sizes) / len(sizes)

    assert longer(study.pairs(SEED, test=False)) > 0.75
    assert longer(study.pairs(SEED, test=True)) == 0.0
