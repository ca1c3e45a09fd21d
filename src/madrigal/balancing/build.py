"""From a balancer's settings to the balancer."""

from typing import assert_never

from madrigal.balancing.base import Balancer
from madrigal.balancing.equal import Equal
from madrigal.balancing.mean import Mean
from madrigal.recipe import stage
from madrigal.recipe.stage import BalancerSettings


def build_balancer(settings: BalancerSettings) -> Balancer:
    """The balancer of one stage, fresh."""
    match settings:
        case stage.Mean():
            return Mean()
        case stage.Equal():
            return Equal()
        case _:
            assert_never(settings)
