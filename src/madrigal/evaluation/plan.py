"""What a score matrix needs beside the prediction rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.metrics import METRICS
from madrigal.evaluation.prediction import Prediction
from madrigal.evaluation.unified import Scale

BASE, FEW_SHOT, SINGLE = "base", "few-shot", "single"  # folders that are no trained stage
ROUTED = ".routed"  # behind a stage's label: a router chose the part that answers

Predictions = Mapping[str, Mapping[str, Sequence[Prediction]]]  # folder, then task


@dataclass(frozen=True, slots=True)
class Plan:
    """What predictions alone do not tell: each task's metric, which stage trained what, the draws.

    `learned` holds the trained stages in their order, by the name of their prediction folder, and
    `before` the tasks that the base model of the run has been taught already.
    Tasks in `general` are watched and never trained: they stay out of the summary over tasks.
    """

    metrics: Mapping[str, str]
    learned: Mapping[str, Sequence[str]] = field(default_factory=dict)
    before: Sequence[str] = ()
    general: Sequence[str] = ()
    resampling: Resampling = field(default_factory=Resampling)

    def scale(self, task: str, chance: float) -> Scale:
        """How the task's score turns into a share of what can be gained."""
        return Scale(chance, METRICS[self.metrics[task]].direction == "lower")
