from madrigal.balancing import Equal, Mean, build_balancer
from madrigal.recipe import balance


def test_settings_choose_the_balancer():
    assert isinstance(build_balancer(balance.Mean()), Mean)
    assert isinstance(build_balancer(balance.Equal()), Equal)
