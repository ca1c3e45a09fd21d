import numpy as np

from madrigal.mixture.chance import bits, permutation
from madrigal.mixture.interleave import interleave


def places(shares, total, caps=None, seed=0):
    shares = np.asarray(shares, float)
    caps = np.full(len(shares), np.inf) if caps is None else np.asarray(caps, float)
    return interleave(shares, caps, total, lambda k, count: bits(count, seed, k))


def test_halves_alternate():
    assert sorted(places([0.5, 0.5], 2)) == [0, 1]
    assert all(a + b == 1 for a, b in places([0.5, 0.5], 100).reshape(-1, 2))


def test_a_tiny_share_appears_at_its_rate():
    positions = np.flatnonzero(places([0.999, 0.001], 5000) == 1)
    assert [int(p // 1000) for p in positions] == [0, 1, 2, 3, 4]


def test_equal_streams_change_neighbours():
    pairs = {frozenset(pair) for pair in places([0.25] * 4, 400).reshape(-1, 2).tolist()}
    assert len(pairs) == 6


def test_caps_end_a_stream_and_then_everything():
    result = places([0.5, 0.5], 100, caps=[3, 5])
    assert np.bincount(result).tolist() == [3, 5]


def test_small_streams_do_not_come_in_one_burst():
    result = places([0.5] + [0.5 / 50] * 50, 100)
    assert max(np.diff(np.flatnonzero(result == 0))) <= 3


def test_permutation_is_fixed_for_ever():
    # A schedule must be the same after an upgrade of numpy; these numbers may never change.
    assert permutation(8, 7, "sentiment", "pass", 0).tolist() == PERMUTATION
    assert int(bits(1, 7, "sentiment")[0]) == FIRST_BITS


PERMUTATION = [4, 7, 1, 0, 3, 5, 2, 6]
FIRST_BITS = 16596412175225083419
