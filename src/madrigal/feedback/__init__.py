"""How far feedback can be trusted: what people said about answers, looked at before training.

`inspect` runs everything that applies to some records; each measure is a file of its own and works
on the table of `votes` that the records make.
"""

from madrigal.evaluation.measure import Measure
from madrigal.feedback.findings import QUESTIONS, Findings, Part
from madrigal.feedback.inspect import inspect
from madrigal.feedback.sentences import sentences

__all__ = ["QUESTIONS", "Findings", "Measure", "Part", "inspect", "sentences"]
