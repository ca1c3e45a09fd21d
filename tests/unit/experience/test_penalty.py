import pytest

from madrigal.experience import Penalty


def test_twice_the_target_raises_the_price_by_a_fifth_of_n_over_horizon():
    found = Penalty(0.1, target=6.0, horizon=1000.0).updated(12.0, 50)
    assert found.beta == 0.1 * (1 + 0.2 * 50 / 1000)
    assert found.updated(6.0, 50) == found


def test_a_little_off_moves_it_a_little():
    assert Penalty(1.0, 10.0, 100.0).updated(9.5, 10).beta == pytest.approx(1 - 0.05 * 0.1)
    assert Penalty(1.0, 10.0, 100.0).updated(0.0, 10).beta == pytest.approx(1 - 0.2 * 0.1)


def test_it_stays_between_its_bounds():
    price = Penalty(1.0, 1.0, 1.0, least=0.5, most=2.0)
    assert price.updated(9.0, 100).beta == 2.0
    assert price.updated(0.0, 100).beta == 0.5


def test_without_a_target_it_stays():
    assert Penalty(0.1).updated(100.0, 1000) == Penalty(0.1)


@pytest.mark.parametrize("target", [0.0, -1.0, float("nan")])
def test_a_target_of_nothing(target):
    with pytest.raises(ValueError, match=r"^the target of the divergence is .*; give nats above 0"):
        Penalty(0.1, target=target)
