from madrigal.balancing import Equal, Mean, build_balancer
from madrigal.recipe import stage


def test_settings_choose_the_balancer():
    assert isinstance(build_balancer(stage.Mean()), Mean)
    assert isinstance(build_balancer(stage.Equal()), Equal)
