import numpy as np
import pytest

from madrigal.experience import best_of_n_divergence


@pytest.mark.parametrize(
    ("count", "nats"), [(1, 0), (2, 0.193), (4, 0.636), (16, 1.835), (64, 3.175)]
)
def test_known_values(count, nats):
    assert best_of_n_divergence(count) == pytest.approx(nats, abs=5e-4)


def test_many_answers_that_all_differ_reach_it():
    arms, n = 20_000, 4
    order = np.arange(1, arms + 1) / arms
    best = order**n - (order - 1 / arms) ** n  # the chance that arm i is the best of n
    found = best @ np.log(best * arms)
    assert found == pytest.approx(best_of_n_divergence(n), abs=1e-3)


def test_of_none():
    with pytest.raises(ValueError, match=r"^best of 0 answers; draw 1 or more$"):
        best_of_n_divergence(0)
