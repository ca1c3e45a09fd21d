"""Objectives: what a good output costs."""

from madrigal.objectives.align import Align
from madrigal.objectives.base import Meets, Met, Need, Objective, Outputs, Scored, Surveys
from madrigal.objectives.build import build_objective
from madrigal.objectives.correction import Correction
from madrigal.objectives.dpo import Dpo
from madrigal.objectives.ipo import Ipo
from madrigal.objectives.kto import Kto
from madrigal.objectives.likelihood import Likelihood
from madrigal.objectives.orpo import Orpo
from madrigal.objectives.policy import Policy
from madrigal.objectives.rating_difference import RatingDifference
from madrigal.objectives.reward import Reward
from madrigal.objectives.simpo import Simpo

__all__ = [
    "Align",
    "Correction",
    "Dpo",
    "Ipo",
    "Kto",
    "Likelihood",
    "Meets",
    "Met",
    "Need",
    "Objective",
    "Orpo",
    "Outputs",
    "Policy",
    "RatingDifference",
    "Reward",
    "Scored",
    "Simpo",
    "Surveys",
    "build_objective",
]
