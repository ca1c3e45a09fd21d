"""Which rows and positions of a microbatch go to which row of the ledger."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from madrigal.gradients import Ledger, Span, Spans
from madrigal.gradients.gramian import HALVES
from madrigal.model.head import Around
from madrigal.training.layout import Microbatch


def row_spans(batch: Microbatch, order: Mapping[str, int]) -> Spans:
    """Which rows of the batch go to which row of the ledger."""
    return Spans(
        batch.tokens.shape[0],
        tuple(Span(HALVES * order[s.task] + s.half, *s.lines) for s in batch.shares),
    )


def head_spans(
    batch: Microbatch, order: Mapping[str, int], ledger: Ledger
) -> Callable[[int, int], AbstractContextManager[object]]:
    """The same for the head, which sees only some of the trained positions at a time."""
    whole = Spans(
        len(batch.targets),
        tuple(Span(HALVES * order[s.task] + s.half, *s.positions) for s in batch.shares),
    )
    return cut_along(whole, ledger)


def end_spans(batch: Microbatch, order: Mapping[str, int], ledger: Ledger) -> Around:
    """The same for reward heads, which see the ends of some rows."""
    spans = tuple(Span(HALVES * order[s.task] + s.half, *s.rows) for s in batch.shares)
    return cut_along(Spans(len(batch.ends), spans), ledger)


def cut_along(whole: Spans, ledger: Ledger) -> Around:
    """What a head runs inside of: its part of the spans of all that heads see."""
    return lambda first, last: ledger.following(whole.cut(first, last))
