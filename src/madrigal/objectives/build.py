"""From an objective's settings to the objective."""

from typing import Any, assert_never

from madrigal.objectives.align import Align
from madrigal.objectives.base import Objective
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
from madrigal.recipe import objective as recipe
from madrigal.recipe import policy
from madrigal.recipe.settings import Settings
from madrigal.tasks.task import Task


def build_objective(settings: recipe.ObjectiveSettings, task: Task) -> Objective:
    """The objective of one task of a stage; what belongs to the task comes from the task."""
    match settings:
        case recipe.Likelihood():
            return Likelihood(settings.normalise, task.label_smoothing)
        case recipe.Align():
            return Align(label_smoothing=task.label_smoothing, **_fields(settings))
        case recipe.Dpo():
            return Dpo(**_fields(settings))
        case recipe.Ipo():
            return Ipo(settings.beta, settings.normalise)
        case recipe.Kto():
            return Kto(**_fields(settings))
        case recipe.Orpo():
            return Orpo(settings.odds)
        case recipe.Simpo():
            return Simpo(settings.beta, settings.gamma)
        case recipe.RatingDifference():
            return RatingDifference(settings.beta, settings.scale)
        case recipe.Correction():
            return Correction(**_fields(settings))
        case recipe.Reward():
            return Reward(**_fields(settings))
        case policy.Acting():
            return _on_answers(settings)
        case _:
            assert_never(settings)


def _on_answers(settings: policy.Acting) -> Objective:
    """What learns from answers of the model's own."""
    match settings:
        case policy.Rloo():
            return Policy(clip=None, ratio="answers", sampling_temperature=settings.temperature)
        case policy.Grpo():
            return Policy(
                clip=settings.clip,
                clip_high=settings.clip_high,
                penalty=settings.penalty,
                beta=settings.beta,
                sampling_temperature=settings.temperature,
                once=policy.learnt_once(settings),
            )
        case policy.Ppo():
            return Policy(
                clip=settings.clip,
                dual_clip=settings.dual_clip,
                value=settings.value,
                value_clip=settings.value_clip,
                sampling_temperature=settings.temperature,
            )
        case policy.BestOfN():
            return Likelihood("tokens")
        case policy.OnlineDpo():
            return Dpo(settings.beta)
    raise AssertionError(f"no objective of {type(settings).__name__}")


def _fields(settings: Settings) -> dict[str, Any]:
    """What an objective with the same fields is made from."""
    return settings.model_dump(exclude={"kind"})
