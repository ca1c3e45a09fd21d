"""How the past speaks while something new is learnt: by data, by a loss term, by structure."""

from madrigal.retention.base import Said, StepTerm, Term
from madrigal.retention.distill import Distillation
from madrigal.retention.ewc import Ewc, Quadratic
from madrigal.retention.o_lora import Overlap
from madrigal.retention.pull import Pull
from madrigal.retention.replay import Replayed
from madrigal.retention.teacher import Teacher

__all__ = [
    "Distillation",
    "Ewc",
    "Overlap",
    "Pull",
    "Quadratic",
    "Replayed",
    "Said",
    "StepTerm",
    "Teacher",
    "Term",
]
