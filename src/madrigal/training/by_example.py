"""The gradient of every example alone."""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

import torch

from madrigal.gradients import Ledger, Span, Spans
from madrigal.model.head import Around, nothing_around
from madrigal.training.batch_spans import cut_along
from madrigal.training.layout import Microbatch
from madrigal.training.lockstep import empty_pass
from madrigal.training.passes import Passes
from madrigal.training.placed import Placed

# Gives a microbatch of some examples other targets, after one forward pass of its own, whose head
# runs inside of what is given.
Changed = Callable[[Microbatch, Sequence[Placed], Around], Microbatch]


def split_by_example(
    passes: Passes, ledger: Ledger, changed: Changed | None = None
) -> Iterator[None]:
    """After each microbatch the ledger's row n is the gradient of its example n; to be cleared."""
    for index in passes.own():
        batch = passes.batch(index)
        spans = _spans([example.lines for example in passes.groups[index]])
        around = cut_along(Spans(len(batch.targets), _by_positions(batch, spans)), ledger)
        with ledger.following(spans):
            batch = batch if changed is None else changed(batch, passes.groups[index], around)
            rows = _spans([len(one.rows) for one in passes.groups[index]])
            whole = passes.losses(batch, around, cut_along(rows, ledger)).whole()
            torch.stack(list(whole.values())).sum().backward()
        yield
    with ledger.following(Spans(1, ())):
        _idle(passes, changed)


def one_at_a_time(passes: Passes, changed: Changed | None = None) -> Iterator[list[str]]:
    """The same for groups of one example, in `parameter.grad`; names of those that have one."""
    for index in passes.own():
        batch = passes.batch(index)
        if changed is not None:
            batch = changed(batch, passes.groups[index], nothing_around)
        whole = passes.losses(batch).whole()
        torch.stack(list(whole.values())).sum().backward()
        yield [name for name, p in passes.model.trainable() if p.grad is not None]
    _idle(passes, changed)


def _idle(passes: Passes, changed: Changed | None) -> None:
    for _ in range(passes.idle()):
        if changed is not None:
            empty_pass(passes.model)
        passes.empty(backward=True)


def _spans(sizes: Sequence[int]) -> Spans:
    """Row n of the ledger for the lines (or rows) of example n, which are `sizes[n]`."""
    ends = list(accumulate(sizes, initial=0))
    spans = (Span(n, *ends[n : n + 2]) for n in range(len(sizes)))
    return Spans(ends[-1], tuple(spans))


def _by_positions(batch: Microbatch, spans: Spans) -> tuple[Span, ...]:
    """The spans of rows as spans of trained positions."""
    ends = list(accumulate(batch.trained, initial=0))
    return tuple(Span(s.row, ends[s.first], ends[s.last]) for s in spans.spans)
