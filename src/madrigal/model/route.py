"""Which private part each row of a pass meets."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """Whose rows a batch holds, as far as private parts go.

    `present` are the parts that its rows meet. `places[b]` is the place of row b's part among
    them, and `len(present)` for a row without one; `slot` is the same on the device. Both are None
    where all rows are alike. Where a layer sees single positions, these are its rows.
    """

    present: tuple[str, ...]
    places: Int[np.ndarray, " B"] | None = None
    slot: Int[Tensor, " B"] | None = None

    def part(self, row: int) -> str | None:
        """The part that a row meets."""
        place = 0 if self.places is None else int(self.places[row])
        return self.present[place] if place < len(self.present) else None

    def runs(self, rows: int) -> Iterator[tuple[str, int, int]]:
        """Adjacent rows that meet the same part: its name, first row, last row (exclusive)."""
        places = np.zeros(rows, dtype=np.int64) if self.places is None else self.places
        borders = [0, *(np.flatnonzero(np.diff(places)) + 1).tolist(), rows]
        for first, last in pairwise(borders):
            part = self.part(first) if last > first else None
            if part is not None:
                yield part, first, last

    def spread(self, counts: Sequence[int]) -> "Route":
        """The route of positions, row b having `counts[b]` of them, one row after another."""
        if self.places is None or self.slot is None:
            return self
        places = np.repeat(self.places, counts)
        return Route(self.present, places, torch.from_numpy(places).to(self.slot.device))

    def cut(self, first: int, last: int) -> "Route":
        """The route of rows `first` to `last` (exclusive) alone."""
        if self.places is None or self.slot is None:
            return self
        places = self.places[first:last]
        if len(places) == 0 or (places == places[0]).all():
            part = self.part(first) if len(places) else None
            return Route(() if part is None else (part,))
        return Route(self.present, places, self.slot[first:last])


class Routing:
    """The route of the pass that is going on; all layers of a network look at the same one.

    `part_of` is the private part of each task that has one.
    """

    def __init__(self, part_of: Mapping[str, str]) -> None:
        self.part_of = dict(part_of)
        self.parts = tuple(dict.fromkeys(self.part_of.values()))
        self._route: Route | None = None

    @property
    def route(self) -> Route:
        if self._route is None:
            raise RuntimeError("a network with private parts runs inside `model.routed(...)`")
        return self._route

    def plan(self, rows: str | Sequence[str], device: torch.device) -> Route:
        """The route of a batch whose row b belongs to task `rows[b]`, or all rows to one task."""
        if isinstance(rows, str):
            rows = (rows,)
        met = [self.part_of.get(task) for task in rows]
        present = tuple(part for part in self.parts if part in met)
        if len(set(met)) == 1:
            return Route(present)
        order = {part: place for place, part in enumerate(present)}
        places = np.array([len(present) if part is None else order[part] for part in met])
        return Route(present, places, torch.from_numpy(places).to(device))

    @contextmanager
    def following(self, route: Route | None) -> Iterator[None]:
        """Passes inside take this route."""
        before, self._route = self._route, route
        try:
            yield
        finally:
            self._route = before

    def kept(self) -> tuple[Any, Any]:
        """Contexts for a checkpointed block (`context_fn` of torch's `checkpoint`).

        What is computed again in the backward pass takes the route of its first time, wherever the
        backward pass runs.
        """
        return self.following(self._route), self.following(self._route)
