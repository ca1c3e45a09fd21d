import pytest

from madrigal.experience.means import watched_means


def test_what_is_told_of_ensembles_and_gradients_only_where_there_is_any():
    assert watched_means([], []) == {}
    assert watched_means([0.1, 0.3, float("nan")], []) == {"disagreement": pytest.approx(0.2)}
    assert watched_means([], [1.0, 4.0]) == {"gradient": 2.5}
