"""Knobs that matter are told from those that do not; how sure that is holds over many sweeps."""

import math

import numpy as np
import pytest

from madrigal.sweep.draw import drawn
from madrigal.sweep.importance import columns, enough, importances
from madrigal.sweep.knob import Choices, Range

KNOBS = (
    Range("rate", 1e-5, 1e-1, log=True),
    Choices("kind", ("a", "b", "c")),
    Range("steps", 1, 50, whole=True),
)


def points(count, seed):
    return [drawn(KNOBS, seed, number) for number in range(count)]


def by_key(found):
    return {one.key: one for one in found}


def test_the_planted_knob_is_found_and_the_others_are_not():
    at = points(40, 0)
    scores = [-abs(math.log10(p["rate"]) + 3) for p in at]  # best in the middle of the range
    found = by_key(importances(KNOBS, at, scores, 0))
    assert found["rate"].sure
    assert found["rate"].share > 0.9
    assert not found["kind"].sure
    assert not found["steps"].sure
    assert found["kind"].share < 0.3


def test_a_choice_that_matters_is_found():
    at = points(40, 1)
    chance = np.random.default_rng(0)
    scores = [{"a": 0.0, "b": 1.0, "c": 0.2}[p["kind"]] + chance.normal(0, 0.2) for p in at]
    found = by_key(importances(KNOBS, at, scores, 0))
    assert found["kind"].sure
    assert not found["rate"].sure


def test_one_trial_that_went_to_pieces_does_not_decide():
    at = points(40, 2)
    scores = [p["steps"] / 50 for p in at]
    scores[7] = -1e9
    assert by_key(importances(KNOBS, at, scores, 0))["steps"].share > 0.7


def test_the_same_trials_give_the_same_numbers():
    at = points(12, 3)
    scores = [float(p["steps"]) for p in at]
    assert importances(KNOBS, at, scores, 5) == importances(KNOBS, at, scores, 5)


def test_nothing_is_said_of_too_few_or_equal_trials():
    at = points(4, 0)
    assert importances(KNOBS, at, [1.0, 2.0, 3.0, 4.0], 0) == []
    assert importances(KNOBS, points(20, 0), [1.0] * 20, 0) == []
    assert set(enough(KNOBS, points(12, 0))) == {"rate", "kind", "steps"}
    assert enough(KNOBS, points(20, 0)) == {}


def test_a_choice_that_never_came_has_no_column():
    assert columns(Choices("k", ("a", "b", "c")), ["a", "b", "a"]).shape == (3, 1)
    assert columns(Choices("k", ("a", "b")), ["a", "a"]).shape == (2, 0)


@pytest.mark.slow
def test_chance_alone_is_rarely_called_sure_and_the_interval_holds_the_truth():
    """120 sweeps of 30 trials in which a knob has half of the variance and two have none."""
    called, held, zero = 0, 0, 0
    rate = KNOBS[0]
    sweeps = 120
    for sweep in range(sweeps):
        at = points(30, 1000 + sweep)
        chance = np.random.default_rng(sweep)
        u = np.array([rate.share(p["rate"]) for p in at])
        scores = u * math.sqrt(12) + chance.normal(0, 1.0, len(at))
        found = by_key(importances(KNOBS, at, list(scores), sweep))
        called += found["kind"].sure or found["steps"].sure
        held += found["rate"].low <= 0.48 <= found["rate"].high  # of ranks; by a large sample
        zero += found["kind"].low <= 0.0
    assert called / sweeps <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / sweeps)
    assert held / sweeps >= 0.88
    assert zero / sweeps >= 0.9
