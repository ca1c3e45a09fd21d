"""Balancers: how much each task counts in a step."""

from madrigal.balancing.base import Balancer, StepView
from madrigal.balancing.build import build_balancer
from madrigal.balancing.equal import Equal
from madrigal.balancing.mean import Mean

__all__ = ["Balancer", "Equal", "Mean", "StepView", "build_balancer"]
