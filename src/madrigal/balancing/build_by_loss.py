"""From the settings of a balancer by loss to the balancer."""

from typing import assert_never

from madrigal.balancing.base import Balancer
from madrigal.balancing.coba import Coba
from madrigal.balancing.dwa import Dwa
from madrigal.balancing.famo import Famo
from madrigal.balancing.fixed import Fixed
from madrigal.balancing.gls import Gls
from madrigal.balancing.imtl_l import ImtlL
from madrigal.balancing.random import Random
from madrigal.balancing.scale_invariant import ScaleInvariant
from madrigal.balancing.stch import Stch
from madrigal.balancing.uncertainty import Uncertainty
from madrigal.recipe import balance_by_loss as recipe


def build_by_loss(settings: recipe.ByLoss) -> Balancer:
    """The balancer of one stage, fresh."""
    match settings:
        case recipe.Fixed():
            return Fixed(settings.weights)
        case recipe.Random():
            return Random()
        case recipe.Uncertainty():
            return Uncertainty(settings.learning_rate)
        case recipe.Dwa():
            return Dwa(settings.window, settings.temperature)
        case recipe.Gls():
            return Gls()
        case recipe.ScaleInvariant():
            return ScaleInvariant()
        case recipe.ImtlL():
            return ImtlL(settings.learning_rate)
        case recipe.Stch():
            return Stch(settings.smoothing, settings.warmup, settings.ideal)
        case recipe.Famo():
            return Famo(settings.learning_rate, settings.decay, settings.lowest)
        case recipe.Coba():
            return Coba(settings.warmup, settings.history, settings.temperature, settings.every)
        case _:
            assert_never(settings)
