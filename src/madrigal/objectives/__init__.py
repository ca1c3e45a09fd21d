"""Objectives: what a good output costs."""

from madrigal.objectives.base import Need, Objective, Outputs
from madrigal.objectives.build import build_objective
from madrigal.objectives.likelihood import Likelihood

__all__ = ["Likelihood", "Need", "Objective", "Outputs", "build_objective"]
