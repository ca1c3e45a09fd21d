"""Scores of models on tasks, how sure they are, and what they say about one another.

`evaluate_task` (in `evaluate`) turns a model and a task into prediction rows and needs torch;
everything named here is a function of such rows alone.
"""

from madrigal.evaluation.compare import Comparison, compare_runs
from madrigal.evaluation.intervals import Resampling, Score, score
from madrigal.evaluation.intransigence import intransigence_of
from madrigal.evaluation.learning_curve import LearningCurve, learning_curve
from madrigal.evaluation.metrics import METRICS, Metric
from madrigal.evaluation.paired import Difference, difference, holm
from madrigal.evaluation.plan import Plan
from madrigal.evaluation.prediction import Prediction, read_predictions, write_predictions
from madrigal.evaluation.scores_file import recompute, score_run, write_scores
from madrigal.evaluation.seeds import SeedScore, over_seeds

__all__ = [
    "METRICS",
    "Comparison",
    "Difference",
    "LearningCurve",
    "Metric",
    "Plan",
    "Prediction",
    "Resampling",
    "Score",
    "SeedScore",
    "compare_runs",
    "difference",
    "holm",
    "intransigence_of",
    "learning_curve",
    "over_seeds",
    "read_predictions",
    "recompute",
    "score",
    "score_run",
    "write_predictions",
    "write_scores",
]
