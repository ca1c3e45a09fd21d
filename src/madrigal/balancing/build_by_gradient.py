"""From the settings of a balancer by gradient to the balancer."""

from typing import assert_never

from madrigal.balancing.agem import AGem
from madrigal.balancing.aligned import AlignedMtl
from madrigal.balancing.base import Balancer
from madrigal.balancing.cagrad import CaGrad
from madrigal.balancing.dualproj import DualProj
from madrigal.balancing.fairgrad import FairGrad
from madrigal.balancing.gradnorm import GradNorm
from madrigal.balancing.gradvac import GradVac
from madrigal.balancing.imtl_g import ImtlG
from madrigal.balancing.mgda import Mgda
from madrigal.balancing.nash import NashMtl
from madrigal.balancing.pcgrad import PcGrad
from madrigal.balancing.upgrad import UpGrad
from madrigal.recipe import balance_by_gradient as recipe


def build_by_gradient(settings: recipe.ByGradient) -> Balancer:
    """The balancer of one stage, fresh."""
    match settings:
        case recipe.PcGrad():
            return PcGrad()
        case recipe.GradVac():
            return GradVac(settings.rate)
        case recipe.Mgda():
            return Mgda()
        case recipe.CaGrad():
            return CaGrad(settings.c)
        case recipe.ImtlG():
            return ImtlG()
        case recipe.Nash():
            return NashMtl()
        case recipe.Aligned():
            return AlignedMtl(settings.scale)
        case recipe.UpGrad():
            return UpGrad()
        case recipe.DualProj():
            return DualProj()
        case recipe.FairGrad():
            return FairGrad(settings.alpha)
        case recipe.GradNorm():
            return GradNorm(settings.alpha, settings.rate)
        case recipe.AGem():
            return AGem()
        case _:
            assert_never(settings)
