"""Tango's interval against published examples, two other ways to compute it, and its promise."""

import numpy as np
import pytest
from scipy import optimize, stats

from madrigal.evaluation.intervals import wilson
from madrigal.evaluation.paired import difference
from madrigal.evaluation.parts import unvarying
from madrigal.evaluation.tango import tango
from predicted import chosen

COUNTS = [(1, 7, 21), (40, 20, 160), (12, 2, 50), (4, 0, 20), (0, 3, 9), (5, 5, 10), (90, 160, 900)]


def test_airway_reactivity_as_published():
    """Fagerland, Lydersen and Laake, Statistics in Medicine 33, 2014, table of intervals."""
    assert tango(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)


def closed_form(b, c, n, confidence):
    """Roots of the quartic of Yang, Sun and Hardin (2013), in which nothing is iterated."""
    g = stats.norm.ppf((1 + confidence) / 2) ** 2
    d = b - c
    coefficients = [
        n**2 * (n / g + 1) ** 2,
        -n * d * (n / g + 1) * (4 * n / g + 1),
        2 * n * d**2 * (3 * n / g + 2) / g - n**2 * ((b + c) / g + 1),
        n * d * (2 * (b + c) / g + 1) - d**3 * (4 * n / g + 1) / g,
        d**2 * (d**2 / g - (b + c)) / g,
    ]
    return np.roots(coefficients)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("won", "lost", "n"), COUNTS)
def test_bounds_are_roots_of_the_closed_form(won, lost, n, confidence):
    roots = closed_form(won, lost, n, confidence)
    for bound in tango(won, lost, n, confidence):
        assert np.abs(roots - bound).min() < 1e-6


@pytest.mark.parametrize(("won", "lost", "n"), COUNTS[:5])
def test_bounds_are_where_the_score_test_of_the_likelihood_rejects(won, lost, n):
    """The share of lost examples given D by maximising the likelihood, not by its formula."""

    def statistic(d):
        def loss(q):
            counts, shares = (won, lost, n - won - lost), (q + d, q, 1 - 2 * q - d)
            return -sum(k * np.log(max(p, 1e-300)) for k, p in zip(counts, shares, strict=True))

        edges = (max(0.0, -d), (1 - d) / 2)
        q = optimize.minimize_scalar(loss, bounds=edges, method="bounded", options={"xatol": 1e-12})
        return (won - lost - n * d) / np.sqrt(n * (2 * q.x + d - d * d))

    low, high = tango(won, lost, n)
    z = stats.norm.ppf(0.975)
    assert (statistic(low), statistic(high)) == pytest.approx((z, -z), abs=1e-4)


@pytest.mark.parametrize("n", [1, 3, 20, 500])
def test_where_nothing_varies_it_is_the_interval_of_unvarying_parts(n):
    for won, lost in ((0, 0), (n, 0), (0, n)):
        expected = unvarying((won - lost) / n, n, True, 0.95)
        assert tango(won, lost, n) == pytest.approx(expected, abs=1e-9)
    assert tango(0, 0, n)[1] == pytest.approx(wilson(0, n)[1])
    assert tango(n, 0, n)[0] < 0 or n > 3, "three examples prove nothing"


def wald(won, lost, n):
    """What the percentile bootstrap comes to in large samples."""
    d = (won - lost) / n
    half = stats.norm.ppf(0.975) * np.sqrt((won + lost) / n - d * d) / np.sqrt(n)
    return d - half, d + half


@pytest.mark.parametrize(("gain", "loss"), [(0.05, 0.05), (0.12, 0.02), (0.3, 0.1)])
def test_it_holds_its_level_where_few_examples_differ(gain, loss):
    """Exact: the probability of every table times whether its interval covers the truth."""
    n, covered, by_wald = 40, 0.0, 0.0
    for won in range(n + 1):
        for lost in range(n + 1 - won):
            counts = [won, lost, n - won - lost]
            chance = stats.multinomial.pmf(counts, n, [gain, loss, 1 - gain - loss])
            if chance > 1e-7:
                low, high = tango(won, lost, n)
                covered += chance * (low <= gain - loss <= high)
                low, high = wald(won, lost, n)
                by_wald += chance * (low <= gain - loss <= high)
    assert 0.935 < covered < 0.985
    assert covered > by_wald


def test_a_difference_of_zeros_and_ones_carries_it():
    first, second = (
        chosen([("a" if right else "b", "a") for right in row], "ab")
        for row in ([1] * 15 + [0] * 5, [1] * 14 + [0] + [1] * 5)
    )
    found = difference(first, second, "accuracy")
    assert (found.low, found.high) == tango(5, 1, 20)
    pairs = [i // 2 for i in range(20)]
    grouped = [
        chosen([(row.output, "a") for row in rows], "ab", clusters=pairs)
        for rows in (first, second)
    ]
    found = difference(*grouped, "accuracy")
    assert (found.low, found.high) != tango(5, 1, 20), "clusters are no independent examples"
