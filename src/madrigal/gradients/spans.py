"""Which parts of an activation belong to which row of the ledger."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor


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
    _made: dict[int, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    def of(self, leading: int) -> Iterator[tuple[int, slice]]:
        """Each row's slice of an activation flattened to `leading` vectors.

        A row of T tokens holds T vectors of the states, and T times the heads of a per-head norm,
        so a unit is `leading / units` adjacent vectors.
        """
        each, rest = divmod(leading, self.units)
        assert rest == 0, f"{leading} vectors do not divide into {self.units} units"
        return ((s.row, slice(s.first * each, s.last * each)) for s in self.spans)

    def cut(self, first: int, last: int) -> "Spans":
        """The spans of units `first` to `last` (exclusive) alone."""
        inside = (
            Span(s.row, max(s.first, first) - first, min(s.last, last) - first)
            for s in self.spans
            if s.first < last and s.last > first
        )
        return Spans(last - first, tuple(inside))

    def scatter(self, rows: int, device: torch.device) -> Float[Tensor, "R B"]:
        """1 where a block belongs to a row of a ledger with so many rows, else 0.

        Blocks are the longest runs of units of one length that every span is made of. The matrix is
        made once: all layers of a pass ask for it.
        """
        found = self._made.get(rows)
        if found is None or found.device != device:
            length = math.gcd(self.units, *(end for s in self.spans for end in (s.first, s.last)))
            found = torch.zeros(rows, self.units // length)
            for s in self.spans:
                found[s.row, s.first // length : s.last // length] = 1
            found = self._made[rows] = found.to(device)
        return found
