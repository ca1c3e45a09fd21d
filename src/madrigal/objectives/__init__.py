"""Objectives: what a good output costs."""

from madrigal.objectives.base import Need, Objective, Outputs, Surveys
from madrigal.objectives.build import build_objective
from madrigal.objectives.dpo import Dpo
from madrigal.objectives.likelihood import Likelihood

__all__ = ["Dpo", "Likelihood", "Need", "Objective", "Outputs", "Surveys", "build_objective"]
