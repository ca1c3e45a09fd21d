"""How far apart two sets are: each number a second way, no alarm without a shift, one with it."""

import json

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.spatial.distance import jensenshannon
from scipy.stats import binomtest, ks_2samp
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from curated import curated, told
from madrigal.cli.curate_view import cards_markdown
from madrigal.curation.shift import aucs, distances, divergences, out_of_fold

WORDS = [f"w{k}" for k in range(300)]


def sentences(count, seed, tilt=0.0, longer=0):
    """Words by Zipf's law; with a `tilt` a tenth of the words becomes so much more frequent."""
    random = np.random.default_rng(seed)
    shares = 1 / np.arange(1, len(WORDS) + 1)
    shares[100:130] *= 1 + tilt
    shares /= shares.sum()
    lengths = random.integers(6, 20, count) + longer
    texts = [" ".join(random.choice(WORDS, n, p=shares)) for n in lengths]
    return [{"text": f"{text} n{seed}x{i}", "label": "ab"[i % 2]} for i, text in enumerate(texts)]


def shift(folder, train, test, **more):
    found = curated(folder, train, test, deep=["shift"], **more)
    return found, found.cards["t"]["shift"]


@pytest.fixture
def columns():
    random = np.random.default_rng(0)
    scores = random.integers(0, 9, (40, 3)).astype(float)  # with ties
    return scores, random.random((40, 3)) < 0.4


def test_areas_are_those_of_scikit_learn(columns):
    scores, names = columns
    for k, area in enumerate(aucs(scores, names)):
        assert area == pytest.approx(roc_auc_score(names[:, k], scores[:, k]))
    assert aucs(scores[:2], np.ones((2, 3), dtype=bool)).tolist() == [0.5] * 3


def test_divergences_are_those_of_scipy(columns):
    _, names = columns
    counts = np.random.default_rng(1).poisson(0.4, (40, 25))
    for k, bits in enumerate(divergences(csr_matrix(counts), names)):
        sides = [counts[names[:, k] == side].sum(axis=0) for side in (False, True)]
        assert bits == pytest.approx(jensenshannon(*sides, base=2) ** 2)


def test_distances_are_those_of_scipy(columns):
    _, names = columns
    values = np.random.default_rng(2).integers(0, 12, 40)
    for k, apart in enumerate(distances(values, names)):
        wanted = ks_2samp(values[names[:, k]], values[~names[:, k]]).statistic
        assert apart == pytest.approx(wanted)


def test_scores_are_those_of_a_regression_that_did_not_see_the_fold(columns):
    _, names = columns
    rows = np.random.default_rng(3).normal(size=(40, 6))
    fold = np.arange(40) % 4
    found = out_of_fold(csr_matrix(rows), names, fold)
    for held in range(4):
        train = fold != held
        for k in range(3):
            wanted = 2.0 * names[train, k] - 1
            model = Ridge(alpha=1.0, fit_intercept=False).fit(rows[train], wanted - wanted.mean())
            np.testing.assert_allclose(
                found[~train, k], model.predict(rows[~train]) + wanted.mean(), atol=1e-9
            )


def test_two_halves_of_one_set_raise_the_alarm_no_oftener_than_promised(tmp_path):
    """And the p of a set without a shift is spread as chance would have it."""
    told_p = []
    for seed in range(20):
        _, (one,) = shift(tmp_path / str(seed), sentences(120, seed), sentences(120, 100 + seed))
        told_p.append(one["p"])
    often = sum(p <= 0.05 for p in told_p)
    low, high = binomtest(often, 20).proportion_ci(0.99, "exact")
    assert low <= 0.05 <= high
    assert sum(p <= 0.01 for p in told_p) <= 1
    assert 0.3 < np.mean(told_p) < 0.7


def test_two_different_sets_raise_it_each_time(tmp_path):
    for seed in range(5):
        sets = sentences(120, seed), sentences(120, 100 + seed, tilt=6.0)
        found, (one,) = shift(tmp_path / str(seed), *sets)
        assert one["p"] == 0.005
        assert one["auc"] > 0.6
        assert one["words_bits"][0] > one["words_bits"][1]
        common = {f"w{k}" for k in range(100, 130)}
        assert set(one["telling"][1]) <= common
        assert told(found, "shift")  # a warning, and the furthest records
        assert found.cards["t"]["found"]["shift"]["severities"]["warning"] == 1


def test_longer_records_are_told_and_the_furthest_named(tmp_path):
    odd = sentences(60, 7, tilt=50.0, longer=40)
    found, (one,) = shift(tmp_path, sentences(200, 1), [*sentences(60, 2), *odd])
    assert one["lengths"][0] > 0.4 > one["lengths"][1]
    assert one["median_characters"][1] > one["median_characters"][0]
    lines = [int(each["where"].split(":")[1]) for each in one["furthest"]]
    assert len(lines) == 3
    assert min(lines) > 60
    named = [where for where in told(found, "shift") if where != "t"]
    assert named == [each["where"].removeprefix("t/") for each in one["furthest"]]


def test_a_line_for_the_reader_and_the_same_in_json(tmp_path):
    found, (one,) = shift(tmp_path, sentences(120, 1), sentences(120, 2, tilt=20.0))
    assert one["line"].startswith("train and test are apart: AUC 0.")
    assert "telling words: " in one["line"]
    assert one["line"] in cards_markdown(found)
    assert json.loads(json.dumps(one)) == one
    again, _ = shift(tmp_path, sentences(120, 1), sentences(120, 2, tilt=20.0))
    assert again.cards == found.cards


def test_few_records_are_not_judged_and_copies_count_once(tmp_path):
    assert shift(tmp_path / "a", sentences(200, 1), sentences(49, 2))[1] == []
    assert shift(tmp_path / "b", sentences(200, 1), sentences(40, 2) * 5)[1] == []
