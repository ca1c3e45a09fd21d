"""Quality of feedback, computed a second and naive way."""

import itertools

import networkx as nx
import numpy as np
import pytest

from annotated import competent, planted, votes_of
from madrigal.feedback.agreement import agreement, alpha
from madrigal.feedback.competence import competence_range
from madrigal.feedback.cycles import components
from madrigal.feedback.dawid_skene import dawid_skene
from madrigal.feedback.flips import disagreement
from madrigal.feedback.mace import mace
from madrigal.feedback.shortcuts import length_correlation

SEEDS = range(5)


def ragged(seed: int):
    random = np.random.default_rng(seed)
    votes = int(random.integers(20, 60))
    return random.integers(12, size=votes), random.choice([1.0, 2.0, 3.0, 5.0], votes)


def coincidences(item, value):
    """Krippendorff's coincidence matrix, pair by pair."""
    levels = sorted(set(value))
    table = np.zeros((len(levels), len(levels)))
    for unit in set(item):
        said = [v for u, v in zip(item, value, strict=True) if u == unit]
        for one, other in itertools.permutations(said, 2):
            table[levels.index(one), levels.index(other)] += 1 / (len(said) - 1)
    return levels, table


def squared_distance(metric, levels, margin, c, k):
    if metric == "nominal":
        return float(c != k)
    if metric == "interval":
        return (levels[c] - levels[k]) ** 2
    low, high = min(c, k), max(c, k)
    return (margin[low : high + 1].sum() - (margin[c] + margin[k]) / 2) ** 2


@pytest.mark.parametrize("metric", ["nominal", "ordinal", "interval"])
@pytest.mark.parametrize("seed", SEEDS)
def test_alpha_from_the_coincidence_matrix(metric, seed):
    item, value = ragged(seed)
    levels, table = coincidences(item.tolist(), value.tolist())
    margin = table.sum(axis=0)
    n = margin.sum()
    grid = list(itertools.product(range(len(levels)), repeat=2))
    distance = {(c, k): squared_distance(metric, levels, margin, c, k) for c, k in grid}
    observed = sum(table[c, k] * distance[c, k] for c, k in grid) / n
    expected = sum(margin[c] * margin[k] * distance[c, k] for c, k in grid) / (n * (n - 1))
    assert alpha(item, value, metric) == pytest.approx(1 - observed / expected)


@pytest.mark.parametrize("metric", ["nominal", "ordinal", "interval"])
def test_weights_are_copies_of_items(metric):
    item, value = ragged(3)
    times = np.random.default_rng(0).integers(0, 4, 12)
    copies = [(u * 10 + k, v) for u, v in zip(item, value, strict=True) for k in range(times[u])]
    repeated = alpha(*(np.array(column) for column in zip(*copies, strict=True)), metric)
    assert alpha(item, value, metric, times.astype(float)) == pytest.approx(repeated)


@pytest.mark.parametrize("seed", SEEDS)
def test_agreement_and_disagreement_pair_by_pair(seed):
    random = np.random.default_rng(seed)
    item, value = random.integers(15, size=50), random.choice([-1.0, 0.0, 1.0], 50)
    same = [
        np.mean([value[i] == value[j] for j in range(50) if i != j and item[i] == item[j]])
        for i in range(50)
        if (item == item[i]).sum() > 1
    ]
    assert agreement(votes_of(item, value)).value == pytest.approx(np.mean(same))
    strict = np.flatnonzero(value)
    opposite = [
        np.mean([value[i] != value[j] for j in strict if i != j and item[i] == item[j]])
        for i in strict
        if (item[strict] == item[i]).sum() > 1
    ]
    assert disagreement(votes_of(item, value)).value == pytest.approx(np.mean(opposite))


@pytest.mark.parametrize("seed", SEEDS)
def test_dawid_skene_in_loops(seed):
    votes, _ = planted(competent([0.9, 0.7, 0.5, 0.8]), 30, 3, seed)
    items, annotators, levels, smoothing = 30, 4, 2, 0.3
    said = [*zip(votes.item, votes.annotator, votes.value.astype(int), strict=True)]
    truth = np.array(
        [[sum(i == u and v == c for i, _, v in said) / 3 for c in range(2)] for u in range(items)]
    )
    for _ in range(7):
        prior = np.array([smoothing + truth[:, c].sum() for c in range(levels)])
        prior /= prior.sum()
        confusion = np.full((annotators, levels, levels), smoothing)
        for i, a, v in said:
            for c in range(levels):
                confusion[a, c, v] += truth[i, c]
        confusion /= confusion.sum(axis=2, keepdims=True)
        likelihood = 0.0
        for u in range(items):
            chance = prior.copy()
            for i, a, v in said:
                if i == u:
                    chance = chance * confusion[a, :, v]
            likelihood += np.log(chance.sum())
            truth[u] = chance / chance.sum()
    found = dawid_skene(votes, iterations=7, smoothing=smoothing, tolerance=0.0)
    assert np.allclose(found.truth, truth, atol=1e-6)
    prior_term = smoothing * (np.log(prior).sum() + np.log(confusion).sum())
    assert found.objective[-1] == pytest.approx(likelihood + prior_term)


def test_mace_is_at_a_maximum_of_its_likelihood():
    """No step away from the fit, of any annotator's competence, makes the votes likelier."""
    votes, _ = planted(competent([0.9, 0.7, 0.5, 0.8]), 200, 4, seed=0)
    fit = mace(votes, smoothing=1e-6, iterations=2000, restarts=2)

    def likelihood(competence):
        total = 0.0
        for u in range(200):
            rows = np.flatnonzero(votes.item == u)
            chance = fit.prior.copy()
            for row in rows:
                a, v = votes.annotator[row], int(votes.value[row])
                spoken = (1 - competence[a]) * fit.habit[a, v] + competence[a] * (np.arange(2) == v)
                chance = chance * spoken
            total += np.log(chance.sum())
        return total

    best = likelihood(fit.competence)
    assert best == pytest.approx(fit.log_likelihood)
    for a in range(4):
        for step in (-0.02, 0.02):
            moved = fit.competence.copy()
            moved[a] += step
            assert likelihood(moved) < best


def test_competence_with_a_known_truth_is_a_share():
    """Nine annotators who are always right show the truth to the tenth, who guesses half."""
    random = np.random.default_rng(0)
    truth = random.integers(2, size=400)
    item = np.repeat(np.arange(400), 6)
    who = np.tile(np.arange(6), 400)
    value = truth[item].astype(float)
    last = who == 5
    value[last] = np.where(random.random(400) < 0.5, truth, random.integers(2, size=400))
    votes = votes_of(item, value, who)
    right = (value[last] == truth).mean()
    best, low, high = competence_range(votes, mace(votes))[5]
    assert best == pytest.approx(2 * right - 1, abs=0.03)
    se = 2 * np.sqrt(right * (1 - right) / 400)
    assert high - low == pytest.approx(2 * 1.96 * se, rel=0.15)


@pytest.mark.parametrize("seed", range(20))
def test_components_and_triangles_against_networkx(seed):
    random = np.random.default_rng(seed)
    size = int(random.integers(3, 9))
    better = np.zeros((size, size), dtype=bool)
    for a, b in itertools.combinations(range(size), 2):
        if random.random() < 0.8:
            better[(a, b) if random.random() < 0.5 else (b, a)] = True
    graph = nx.from_numpy_array(better, create_using=nx.DiGraph)
    strong = sorted(
        sorted(part) for part in nx.strongly_connected_components(graph) if len(part) > 1
    )
    assert components(better) == strong


@pytest.mark.parametrize("seed", range(3))
def test_length_correlation_is_spearmans(seed):
    from scipy.stats import spearmanr

    random = np.random.default_rng(seed)
    texts = ["x" * int(n) for n in random.integers(1, 30, 40)]
    from dataclasses import replace

    votes = replace(votes_of(range(40), random.integers(1, 6, 40)), texts=tuple(texts))
    expected = spearmanr([len(text) for text in texts], votes.value).statistic
    assert length_correlation(votes).value == pytest.approx(expected)
