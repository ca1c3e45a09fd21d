"""The best partition of tasks: against every partition there is."""

import numpy as np
import pytest

from madrigal.evaluation import partition
from madrigal.evaluation.partition import (
    best_by_count,
    best_partitions,
    in_order,
    local_search,
    partition_scores,
)


def every_partition(tasks):
    """All partitions as labels by first appearance."""
    found = [[0]]
    for _ in range(tasks - 1):
        found = [[*labels, new] for labels in found for new in range(max(labels) + 2)]
    return np.array(found)


def matrices(tasks, count=24, seed=0):
    """Noise around a mean from friendly to hostile: what is best differs from many to one group."""
    chance = np.random.default_rng([seed, tasks])
    return chance.standard_normal((count, tasks, tasks)) + chance.normal(size=(count, 1, 1))


def by_hand(matrix, labels):
    received = []
    for j, own in enumerate(labels):
        given = [matrix[i, j] for i, other in enumerate(labels) if other == own and i != j]
        received.append(sum(given) / len(given) if given else 0.0)
    return sum(received) / len(received)


def test_the_score_is_what_a_task_gets_from_its_mates_on_average():
    (matrix,) = matrices(5, 1)
    for labels in every_partition(5):
        found = partition_scores(matrix[None], labels[None])[0]
        assert found == pytest.approx(by_hand(matrix, labels), abs=1e-12)


@pytest.mark.parametrize("tasks", [2, 3, 4, 5, 6])
def test_exact_search_is_as_good_as_trying_all(tasks):
    given, every = matrices(tasks), every_partition(tasks)
    for most in range(1, tasks + 1):
        allowed = every[every.max(axis=1) < most]
        scores = [partition_scores(given, np.tile(x, (len(given), 1))) for x in allowed]
        found = best_partitions(given, most)
        assert found.max() < most
        assert np.allclose(partition_scores(given, found), np.max(scores, axis=0), atol=1e-12)
        assert np.array_equal(best_by_count(given)[most - 1], found)


def test_more_matrices_than_are_searched_at_once():
    given = matrices(4, 300)
    assert np.array_equal(best_partitions(given, 4)[[7, 290]], best_partitions(given[[7, 290]], 4))


@pytest.mark.parametrize("tasks", [8, 9, 10])
@pytest.mark.parametrize("most", [3, 99])
def test_local_search_mostly_reaches_the_exact_score(tasks, most, monkeypatch):
    given = matrices(tasks, 60)
    exact = partition_scores(given, best_partitions(given, most))
    monkeypatch.setattr(partition, "EXACT", 1)
    found = best_partitions(given, most)
    assert found.max() < most
    reached = partition_scores(given, found)
    assert (reached <= exact + 1e-12).all()
    assert np.isclose(reached, exact).mean() >= 0.8
    assert (exact - reached).max() < 0.15, "scores of noise of size 1"


def test_local_search_by_count_loses_nothing_with_more_groups(monkeypatch):
    monkeypatch.setattr(partition, "EXACT", 1)
    given = matrices(9)
    scores = [partition_scores(given, x) for x in best_by_count(given)]
    assert len(scores) == 9
    assert (np.diff(scores, axis=0) >= -1e-12).all()
    assert all(x.max() < n for n, x in enumerate(best_by_count(given), 1))


def test_many_tasks_in_planted_groups():
    truth = np.random.default_rng(5).integers(5, size=30)
    chance = np.random.default_rng(6)
    block = np.where(truth[:, None] == truth, 1.0, -0.5)
    given = block + 0.1 * chance.standard_normal((3, 30, 30))
    found = best_partitions(given, 5)
    assert np.array_equal(found, np.tile(in_order(truth[None]), (3, 1)))


def test_local_search_merges_down_to_the_number_asked_for():
    given = -np.ones((1, 6, 6))  # every merger costs
    found = local_search(given, np.arange(6)[None], 2)
    assert found.max() == 1


def test_labels_are_numbered_by_first_appearance():
    assert in_order(np.array([[3, 1, 3, 0]])).tolist() == [[0, 1, 0, 2]]
