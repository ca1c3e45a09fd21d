"""Intervals against hand numbers, closed forms and their own promise: coverage."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from madrigal.evaluation.intervals import Resampling, drawn, score, wilson
from madrigal.evaluation.metrics import value
from predicted import answered, chosen, coins, windows


def test_wilson_by_hand():
    assert wilson(18, 20) == pytest.approx((0.6990, 0.9721), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(20, 20) == pytest.approx((0.8389, 1.0), abs=1e-4)
    assert wilson(5, 10, 0.9) == pytest.approx((0.2693, 0.7307), abs=1e-4)


def test_a_binary_score_has_wilsons_interval():
    rows = chosen([("a", "a")] * 18 + [("b", "a")] * 2, "ab")
    found = score(rows, "accuracy")
    assert (found.value, found.n, found.unparsed) == (0.9, 20, 0)
    assert (found.low, found.high) == pytest.approx((0.6990, 0.9721), abs=1e-4)


def test_spread_of_the_bootstrap_is_the_closed_form():
    random = np.random.default_rng(0)
    pairs = [("x " * random.integers(1, 9) + "y", "y") for _ in range(400)]
    rows = answered(pairs, "token_f1")
    scores = np.array([row.score for row in rows])
    draws = drawn(rows, "token_f1", Resampling(draws=20_000)).values
    assert draws.std() == pytest.approx(scores.std() / np.sqrt(400), rel=0.02)
    assert draws.mean() == pytest.approx(scores.mean(), abs=3e-4)


def test_spread_of_the_cluster_bootstrap_is_that_of_the_cluster_sums():
    random = np.random.default_rng(1)
    clusters = random.integers(40, size=400)
    lucky = random.random(40)
    right = random.random(400) < lucky[clusters]
    rows = chosen([("a" if r else "b", "a") for r in right], "ab", clusters=clusters)
    draws = drawn(rows, "accuracy", Resampling(draws=20_000)).values
    mean = right.mean()
    residual = np.array([(right[clusters == c] - mean).sum() for c in range(40)])
    assert draws.std() == pytest.approx(np.sqrt((residual**2).sum()) / 400, rel=0.05)
    assert draws.std() > 1.4 * np.sqrt(mean * (1 - mean) / 400)  # naive would be far too sure


def test_draws_of_macro_f1_are_sklearns_on_the_resample():
    random = np.random.default_rng(2)
    names = ["a", "b", "c"]
    true, given = random.choice(names[:2], size=50), random.choice(names, size=50)
    true[0] = given[0] = "c"  # so rare that a third of the draws have no such example
    rows = chosen(list(zip(given, true, strict=True)), names, "macro_f1")
    resampling = Resampling(draws=200)
    draws = drawn(rows, "macro_f1", resampling).values
    counts = np.concatenate(list(resampling.counts("t", 50))).astype(int)
    assert (counts[:20, 0] == 0).any()
    for k in range(20):
        taken = np.repeat(np.arange(50), counts[k])
        expected = f1_score(
            true[taken],
            given[taken],
            labels=sorted(set(true[taken])),
            average="macro",
            zero_division=0,
        )
        assert draws[k] == pytest.approx(expected, abs=1e-12)


def test_draws_of_macro_f1_are_those_of_a_bootstrapped_confusion_matrix():
    names = ["a", "b"]
    cells = {("a", "a"): 40, ("b", "a"): 10, ("a", "b"): 5, ("b", "b"): 25}  # (given, true)
    rows = chosen([pair for pair, n in cells.items() for _ in range(n)], names, "macro_f1")
    draws = drawn(rows, "macro_f1", Resampling(draws=20_000)).values
    tables = np.random.default_rng(0).multinomial(80, np.array([40, 10, 5, 25]) / 80, size=20_000)
    right_a, miss_a, miss_b, right_b = tables.T
    other = right_a / (2 * right_a + miss_a + miss_b) + right_b / (2 * right_b + miss_a + miss_b)
    assert draws.mean() == pytest.approx(other.mean(), abs=2e-3)
    assert draws.std() == pytest.approx(other.std(), rel=0.03)


def test_perplexity_interval_resamples_nats_and_tokens_together():
    rows = windows(nats=[30.0, 90.0, 50.0], tokens=[10, 30, 20], size=[1, 1, 1])
    resampling = Resampling(draws=500)
    draws = drawn(rows, "perplexity", resampling).values
    counts = np.concatenate(list(resampling.counts("t", 3)))
    expected = np.exp(counts @ [30.0, 90.0, 50.0] / (counts @ [10.0, 30.0, 20.0]))
    np.testing.assert_allclose(draws, expected)


def coverage(interval, truth, repeats=300):
    hits = 0
    for seed in range(repeats):
        low, high = interval(seed)
        hits += low <= truth <= high
    return hits / repeats


def test_wilson_covers():
    def interval(seed):
        return wilson(int(np.random.default_rng(seed).binomial(30, 0.9)), 30)

    assert coverage(interval, 0.9, 2000) == pytest.approx(0.95, abs=0.03)


def test_cluster_bootstrap_covers_where_rows_of_a_cluster_agree():
    clusters = np.repeat(np.arange(50), 4)  # four copies of each of 50 answers
    bank = {
        grouped: [
            chosen([(o, "a")] * 200, "ab", clusters=clusters if grouped else None) for o in "ba"
        ]
        for grouped in (True, False)
    }

    def interval(seed, grouped):
        right = np.repeat(np.random.default_rng(seed).random(50) < 0.7, 4)
        rows = [bank[grouped][int(r)][i] for i, r in enumerate(right)]
        found = score(rows, "accuracy", Resampling(seed=seed, draws=300))
        return found.low, found.high

    assert coverage(lambda seed: interval(seed, True), 0.7, 200) == pytest.approx(0.95, abs=0.04)
    assert coverage(lambda seed: interval(seed, False), 0.7, 200) < 0.75


def test_macro_f1_interval_covers():
    # Two labels, a share of 0.3 for b; answered rightly with 0.8 whatever the label.
    right_a, right_b, miss_a, miss_b = 0.56, 0.24, 0.14, 0.06
    truth = right_a / (2 * right_a + miss_a + miss_b) + right_b / (2 * right_b + miss_a + miss_b)
    bank = {pair: chosen([pair] * 200, "ab") for pair in ("aa", "ab", "ba", "bb")}

    def interval(seed):
        random = np.random.default_rng(seed)
        true = np.where(random.random(200) < 0.3, "b", "a")
        given = np.where(random.random(200) < 0.8, true, np.where(true == "a", "b", "a"))
        rows = [bank[g + t][i] for i, (g, t) in enumerate(zip(given, true, strict=True))]
        found = score(rows, "macro_f1", Resampling(seed=seed, draws=300))
        return found.low, found.high

    assert coverage(interval, truth, 200) == pytest.approx(0.95, abs=0.05)


def test_where_all_draws_agree_the_interval_is_wilsons_over_clusters():
    alike = answered([("x", "x")] * 12, "token_f1")
    assert score(alike, "token_f1").low == pytest.approx(wilson(12, 12)[0])
    clustered = chosen([("a", "a")] * 12, "ab", clusters=[0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3])
    assert score(clustered, "accuracy").low == pytest.approx(wilson(4, 4)[0])
    one = score(windows([5.0], [5], [20]), "perplexity")
    assert (one.value, one.low, one.high) == (pytest.approx(np.e), None, None)


def test_intervals_do_not_depend_on_the_order_of_the_file():
    rows = coins(60, 0.7, clusters=np.arange(60) // 3)
    first = score(rows, "accuracy")
    assert score(rows[::-1], "accuracy") == first
    assert value(rows[::-1], "accuracy") == first.value


def test_draws_are_shared_by_models_and_independent_between_tasks():
    resampling = Resampling(seed=3, draws=300)
    first, again, other = (
        np.concatenate(list(resampling.counts(task, 40))) for task in ("t", "t", "u")
    )
    np.testing.assert_array_equal(first, again)
    assert (first.sum(axis=1) == 40).all()
    correlation = np.corrcoef(first @ np.arange(40), other @ np.arange(40))[0, 1]
    assert abs(correlation) < 0.2
    seeded = np.concatenate(list(Resampling(seed=4, draws=300).counts("t", 40)))
    assert not np.array_equal(first, seeded)


def test_many_rows_are_drawn_in_blocks():
    blocks = list(Resampling(draws=200).counts("t", 50_000))
    assert len(blocks) > 1
    assert sum(len(block) for block in blocks) == 200
    assert all((block.sum(axis=1) == 50_000).all() for block in blocks)
