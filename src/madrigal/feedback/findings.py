"""What was found about the quality of feedback, as a record that can be written as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from madrigal.evaluation.measure import Measure
from madrigal.feedback.agreement import Metric
from madrigal.feedback.annotators import Annotators
from madrigal.feedback.ceiling import Ceiling
from madrigal.feedback.consistency import Swaps
from madrigal.feedback.contradictions import Contradictions
from madrigal.feedback.cycles import Cycles
from madrigal.feedback.flips import Flips
from madrigal.tasks.feedback import FeedbackKind

VERSION = 1

Question = Literal[
    "agreement",
    "ceiling",
    "annotators",
    "flips",
    "cycles",
    "self_disagreement",
    "order_swaps",
    "length",
    "position",
    "contradictions",
]
QUESTIONS: tuple[Question, ...] = get_args(Question)


@dataclass(frozen=True, slots=True)
class Part:
    """Feedback of one kind about one aspect. What is None was not asked for, or `missing` says why.

    `length` is the AUC of length for answers that one annotator compared with each other, or rated
    beside each other, and `length_correlation` the rank correlation of length and rating.
    """

    kind: FeedbackKind
    aspect: str
    records: int
    prompts: int
    items: int
    votes: int
    annotators: int
    ties: float  # share of the comparisons
    alpha: Mapping[Metric, Measure] = field(default_factory=dict)
    agreement: Measure | None = None
    ceiling: Ceiling | None = None
    correlation_ceiling: Measure | None = None
    by_annotator: Annotators | None = None
    flips: Flips | None = None
    cycles: Cycles | None = None
    self_disagreement: Measure | None = None
    order_swaps: Swaps | None = None
    length: Measure | None = None
    length_correlation: Measure | None = None
    position: Measure | None = None
    contradictions: Contradictions | None = None
    missing: Mapping[Question, str] = field(default_factory=dict)

    @property
    def flip_rate(self) -> Measure | None:
        """The flip rate to train with, where it is known."""
        return self.flips.best if self.flips else None


@dataclass(frozen=True, slots=True)
class Findings:
    """All parts of some feedback, in the order in which they appear in it."""

    parts: tuple[Part, ...]
    version: int = VERSION

    def as_json(self) -> dict[str, Any]:
        """Objects, lists, numbers and texts alone."""
        return asdict(self)
