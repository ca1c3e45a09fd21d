"""Paired tests against scipy, sacrebleu, closed forms and simulation."""

from dataclasses import replace

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import PairedTest
from scipy import stats

from madrigal.errors import RunFolderError
from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.paired import difference, holm, mcnemar
from madrigal.evaluation.seeds import difference_over_seeds, over_seeds
from predicted import answered, chosen, coins, windows


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (1, 0), (5, 1), (1, 9), (7, 7), (120, 80)])
def test_mcnemar_is_scipys_binomial_test(won, lost):
    expected = stats.binomtest(won, won + lost).pvalue if won + lost else 1.0
    assert mcnemar(won, lost) == pytest.approx(expected, abs=1e-9)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def rights(first, second):
    """Two models' rows from lists of right (1) and wrong (0)."""
    return [chosen([("a" if r else "b", "a") for r in row], "ab") for row in (first, second)]


def test_counts_and_exact_p_of_binary_scores():
    first, second = rights([1] * 10 + [0] * 8 + [1] * 2, [1] * 10 + [1] * 8 + [0] * 2)
    found = difference(first, second, "accuracy")
    assert (found.won, found.lost, found.tied, found.n) == (8, 2, 10, 20)
    assert (found.first, found.second) == (0.6, 0.9)
    assert found.difference == pytest.approx(0.3)
    assert found.test == "mcnemar"
    assert found.p == pytest.approx(stats.binomtest(8, 10).pvalue)


def test_interval_of_the_difference_is_the_closed_form_of_paired_differences():
    random = np.random.default_rng(0)
    a = random.random(300) < 0.6
    b = np.where(random.random(300) < 0.8, a, ~a)
    found = difference(*rights(a, b), "accuracy", Resampling(draws=20_000))
    d = b.astype(float) - a
    half = stats.norm.ppf(0.975) * d.std() / np.sqrt(300)
    assert (found.low, found.high) == pytest.approx((d.mean() - half, d.mean() + half), abs=4e-3)
    # An unpaired interval would be wider by far.
    unpaired = 1.96 * np.sqrt((a.var() + b.var()) / 300)
    assert found.high - found.low < 0.75 * 2 * unpaired
    assert found.detectable == pytest.approx(
        (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * d.std() / np.sqrt(300), rel=0.02
    )


def test_needed_examples_follow_the_square_law():
    random = np.random.default_rng(0)
    a = random.random(200) < 0.6
    b = np.where(random.random(200) < 0.8, a, ~a)
    found = difference(*rights(a, b), "accuracy", Resampling(draws=20_000))
    spread = (b.astype(float) - a).std()
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert found.needed(0.05) == pytest.approx((z * spread / 0.05) ** 2, rel=0.03)
    assert found.needed(0.05) == pytest.approx(4 * found.needed(0.1), rel=0.01)


def graded(seed, shift=0.0, n=9):
    random = np.random.default_rng(seed)
    words = [f"w{i}" for i in range(10)]
    rows = []
    for _ in range(n):
        kept = int(np.clip(random.normal(5 + shift, 2), 0, 10))
        rows.append((" ".join(words[:kept]) or "none", " ".join(words)))
    return answered(rows, "token_f1")


def test_permutation_p_of_few_examples_is_exact():
    first, second = graded(1), graded(2, shift=2)
    found = difference(first, second, "token_f1")
    scores = [[row.score for row in rows] for rows in (first, second)]
    expected = stats.permutation_test(
        scores,
        lambda x, y: np.mean(y) - np.mean(x),
        permutation_type="samples",
        n_resamples=np.inf,
    ).pvalue
    assert found.test == "permutation"
    assert 0.001 < found.p < 0.5
    assert found.p == pytest.approx(expected, abs=1e-12)


def test_permutation_p_of_many_examples_is_near_the_exact_one():
    first, second = graded(1, n=60), graded(2, shift=0.6, n=60)
    scores = np.array([[row.score for row in rows] for rows in (first, second)])
    expected = stats.ttest_rel(scores[1], scores[0]).pvalue
    assert 0.02 < expected < 0.5
    assert difference(first, second, "token_f1").p == pytest.approx(expected, abs=0.02)


def test_bleu_is_tested_as_sacrebleu_does():
    random = np.random.default_rng(4)
    words = np.array("a b c d e f g h i j k l".split())  # noqa: SIM905
    targets = [" ".join(random.choice(words, 12)) for _ in range(80)]

    def noisy(text, rate):
        parts = text.split()
        return " ".join(w if random.random() > rate else "z" for w in parts)

    first, second = ([noisy(t, rate) for t in targets] for rate in (0.16, 0.13))
    found = difference(
        *(answered(list(zip(o, targets, strict=True)), "bleu") for o in (first, second)), "bleu"
    )
    test = PairedTest(
        [("first", first), ("second", second)],
        {"BLEU": BLEU()},
        [targets],
        test_type="ar",
        n_samples=5000,
    )
    result = test()[1]["BLEU"][1]
    assert found.second == pytest.approx(result.score / 100)
    assert 0.005 < found.p < 0.95
    assert found.p == pytest.approx(result.p_value, abs=0.02)


def test_clusters_are_exchanged_and_resampled_whole():
    clusters = np.repeat(np.arange(8), 10)
    better = np.repeat([1, 1, 1, 1, 1, 1, 0, 0], 10)  # six of eight passages won, outright
    first = chosen([("b", "a")] * 80, "ab", clusters=clusters)
    second = chosen([("a" if r else "b", "a") for r in better], "ab", clusters=clusters)
    found = difference(first, second, "accuracy")
    assert found.test == "permutation"
    assert found.p == pytest.approx(2 * 0.5**6)  # not 2 * 0.5**60
    alone = [[replace(row, cluster=row.id) for row in rows] for rows in (first, second)]
    narrow = difference(*alone, "accuracy")
    assert found.high - found.low > 2 * (narrow.high - narrow.low)


def test_false_alarms_stay_at_their_level():
    alarms = 0
    for seed in range(200):
        found = difference(coins(40, 0.7, seed), coins(40, 0.7, seed + 1000), "accuracy",
                           Resampling(draws=200))  # fmt: skip
        alarms += found.p < 0.05
    assert alarms / 200 < 0.07


def test_identical_outputs_differ_by_at_most_what_the_sample_can_hide():
    rows = coins(40, 0.7)
    found = difference(rows, rows, "accuracy")
    assert (found.difference, found.p, found.won, found.lost) == (0.0, 1.0, 0, 0)
    assert found.low == -found.high
    assert 0.05 < found.high < 0.1
    assert found.needed(0.1) is None
    text = windows([10.0, 20.0], [5, 8], [20, 30])
    found = difference(text, text, "perplexity")
    assert (found.difference, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)


def test_perplexity_has_a_ratio_with_its_interval():
    random = np.random.default_rng(0)
    tokens = random.integers(20, 60, size=50)
    before = tokens * random.normal(3.0, 0.3, size=50)
    first, second = (
        windows(before, tokens, tokens * 4),
        windows(before - 0.1 * tokens, tokens, tokens * 4),
    )
    found = difference(first, second, "perplexity")
    assert found.difference < 0
    assert found.high < 0
    assert found.ratio == pytest.approx((np.exp(-0.1),) * 3)  # every draw agrees on the ratio
    assert found.p < 0.001
    assert found.won == 50


def test_only_common_examples_count_and_order_does_not_matter():
    first, second = coins(60, 0.6, 1), coins(60, 0.8, 2)
    found = difference(first[:50], second[10:][::-1], "accuracy")
    assert (found.n, found.left_out) == (40, 20)
    expected = difference(first[10:50], second[10:50], "accuracy")
    assert (found.difference, found.low, found.p) == (expected.difference, expected.low, expected.p)
    with pytest.raises(RunFolderError, match="task 't': the two runs have no example in common"):
        difference(first[:10], second[20:], "accuracy")


def test_several_runs_have_a_spread_of_their_own():
    runs = [coins(100, share, seed) for seed, share in enumerate((0.6, 0.7, 0.8))]
    found = over_seeds(runs, "accuracy")
    values = [np.mean([row.score for row in rows]) for rows in runs]
    assert found.mean == pytest.approx(np.mean(values))
    assert found.run_sd == pytest.approx(np.std(values, ddof=1))
    assert found.runs == pytest.approx(values)
    assert found.low < found.sample_low < found.mean < found.sample_high < found.high
    with pytest.raises(ValueError, match="at least two runs"):
        over_seeds(runs[:1], "accuracy")
    with pytest.raises(ValueError, match="the same examples"):
        over_seeds([runs[0], runs[1][:50]], "accuracy")


def test_spread_over_runs_and_examples_is_the_sum_of_both_variances():
    """Score = example's ease + run's shift; variances add, whatever the number of draws."""
    random = np.random.default_rng(0)
    ease, n, size = random.normal(0.5, 0.15, 200), 200, 6
    shifts = random.normal(0, 0.05, size)
    runs = []
    for shift in shifts:
        tokens = np.full(n, 10)
        runs.append(windows(tokens * np.clip(ease + shift, 0.01, None), tokens, tokens))
    found = over_seeds(runs, "perplexity", Resampling(draws=20_000))
    variance = shifts.var(ddof=1) / size + ease.var() / n
    half = 1.96 * np.sqrt(variance) * found.mean
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.06)


def test_a_difference_over_seeds_is_run_by_run_on_the_same_examples():
    """Two settings 0.05 apart on examples of very unlike ease: the ease drops out."""
    random = np.random.default_rng(1)
    ease, shifts = random.normal(0.6, 0.2, 200), random.normal(0, 0.02, 4)
    tokens = np.full(200, 10)

    def runs(gain, noise):
        spread = [np.clip(ease + gain + shift + noise * random.normal(size=200), 0.01, None)
                  for shift in shifts]  # fmt: skip
        return [windows(tokens * one, tokens, tokens) for one in spread]

    ours, theirs = runs(0.05, 0.01), runs(0.0, 0.01)
    found = difference_over_seeds(ours, theirs, "perplexity")
    values = [a.mean - b.mean for a, b in zip(alone(ours), alone(theirs), strict=True)]
    assert found.runs == pytest.approx(values)
    assert found.mean == pytest.approx(np.mean(values))
    assert 0 < found.low < found.mean < found.high
    whole = over_seeds(ours, "perplexity")
    assert found.high - found.low < 0.3 * (whole.high - whole.low)
    with pytest.raises(ValueError, match="as many runs of one setting as of the other"):
        difference_over_seeds(ours, theirs[:3], "perplexity")


def alone(runs):
    """The score of each run on its own."""
    return [over_seeds([run, run], "perplexity") for run in runs]
