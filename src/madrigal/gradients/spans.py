"""Which parts of an activation belong to which row of the ledger."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Adjacent units (rows of a batch, or positions of the head) that share a row of the ledger."""

    row: int
    first: int
    last: int  # exclusive


@dataclass(frozen=True, slots=True)
class Spans:
    """Which of `units` leading units of every activation belong to which row of the ledger."""

    units: int
    spans: tuple[Span, ...]

    def of(self, leading: int) -> Iterator[tuple[int, slice]]:
        """Each row's slice of an activation flattened to `leading` vectors.

        A row of T tokens holds T vectors of the states, and T times the heads of a per-head norm,
        so a unit is `leading / units` adjacent vectors.
        """
        each = self._each(leading)
        return ((s.row, slice(s.first * each, s.last * each)) for s in self.spans)

    def lengths(self, leading: int) -> tuple[list[int | None], list[int]]:
        """The rows of adjacent parts that make up all `leading` vectors, and the parts' lengths.

        A part that belongs to no row has None.
        """
        each, end = self._each(leading), 0
        rows: list[int | None] = []
        lengths: list[int] = []
        for s in (*self.spans, Span(-1, self.units, self.units)):
            if s.first > end:
                rows.append(None)
                lengths.append((s.first - end) * each)
            if s.row >= 0:
                rows.append(s.row)
                lengths.append((s.last - s.first) * each)
            end = s.last
        return rows, lengths

    def cut(self, first: int, last: int) -> "Spans":
        """The spans of units `first` to `last` (exclusive) alone."""
        inside = (
            Span(s.row, max(s.first, first) - first, min(s.last, last) - first)
            for s in self.spans
            if s.first < last and s.last > first
        )
        return Spans(last - first, tuple(inside))

    def _each(self, leading: int) -> int:
        each, rest = divmod(leading, self.units)
        assert rest == 0, f"{leading} vectors do not divide into {self.units} units"
        return each
