"""From an objective's settings to the objective."""

from madrigal.objectives.base import Objective
from madrigal.objectives.likelihood import Likelihood
from madrigal.recipe.stage import ObjectiveSettings
from madrigal.tasks.task import Task


def build_objective(settings: ObjectiveSettings, task: Task) -> Objective:
    """The objective of one task of a stage; what belongs to the task comes from the task."""
    return Likelihood(normalise=settings.normalise, label_smoothing=task.label_smoothing)
