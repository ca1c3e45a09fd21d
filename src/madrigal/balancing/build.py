"""From a balancer's settings to the balancer."""

from typing import assert_never

from madrigal.balancing.base import Balancer
from madrigal.balancing.build_by_gradient import build_by_gradient
from madrigal.balancing.build_by_loss import build_by_loss
from madrigal.balancing.db_mtl import DualBalancing
from madrigal.balancing.equal import Equal
from madrigal.balancing.mean import Mean
from madrigal.recipe import balance
from madrigal.recipe.balance import BalancerSettings
from madrigal.recipe.balance_by_gradient import ByGradient
from madrigal.recipe.balance_by_loss import ByLoss


def build_balancer(settings: BalancerSettings) -> Balancer:
    """The balancer of one stage, fresh."""
    if isinstance(settings, ByLoss):
        return build_by_loss(settings)
    if isinstance(settings, ByGradient):
        return build_by_gradient(settings)
    match settings:
        case balance.Mean():
            return Mean()
        case balance.Equal():
            return Equal()
        case balance.DualBalancing(decay=decay):
            return DualBalancing(decay)
        case _:
            assert_never(settings)
