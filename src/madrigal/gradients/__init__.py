"""Per-task gradients out of the one backward pass."""

from madrigal.gradients.install import per_task, refuse_uncovered, uncovered
from madrigal.gradients.ledger import Ledger, Span, Spans

__all__ = ["Ledger", "Span", "Spans", "per_task", "refuse_uncovered", "uncovered"]
