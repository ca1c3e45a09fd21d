"""Per-task gradients out of the one backward pass."""

from madrigal.gradients.install import Taps, per_task, refuse_uncovered, uncovered
from madrigal.gradients.ledger import Ledger
from madrigal.gradients.spans import Span, Spans

__all__ = ["Ledger", "Span", "Spans", "Taps", "per_task", "refuse_uncovered", "uncovered"]
