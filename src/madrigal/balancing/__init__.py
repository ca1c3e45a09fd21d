"""Balancers: how much each task counts in a step."""

from madrigal.balancing.base import Balancer, Follows, StepView
from madrigal.balancing.build import build_balancer
from madrigal.balancing.equal import Equal
from madrigal.balancing.mean import Mean

__all__ = ["Balancer", "Equal", "Follows", "Mean", "StepView", "build_balancer"]
