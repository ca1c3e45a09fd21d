"""Keys and values in memory that has room for those to come."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers.cache_utils import DynamicLayer


class Roomy(DynamicLayer):
    """A cache layer that begins with rows of another one, each as often as it is named.

    The rows are chosen when something is first appended, in one copy, and behind that there is
    `room` for further positions, so that appending to them copies nothing that was there. More than
    that is appended as transformers does it.
    """

    def __init__(self, layer: Any, rows: Int[Tensor, " R"], room: int) -> None:
        super().__init__()
        self.dtype, self.device, self.is_initialized = layer.dtype, layer.device, True
        self.keys, self.values = layer.keys, layer.values
        self._rows: Tensor | None = rows
        self._room = room
        self._held: tuple[Tensor, Tensor] | None = None

    def update(
        self,
        key_states: Float[Tensor, "R H A D"],
        value_states: Float[Tensor, "R H A E"],
        *_: Any,
        **__: Any,
    ) -> tuple[Float[Tensor, "R H S D"], Float[Tensor, "R H S E"]]:
        """Append; what is held from now on."""
        before = self.get_seq_length()
        after = before + key_states.shape[2]
        if self._rows is not None:
            assert self.keys is not None
            assert self.values is not None
            keys = _opened(self.keys, self._rows, key_states, self._room)
            values = _opened(self.values, self._rows, value_states, self._room)
            self._held, self._rows = (keys, values), None
        if self._held is None or after > self._held[0].shape[2]:
            self._held = None
            return super().update(key_states, value_states)
        keys, values = self._held
        keys[:, :, before:after] = key_states
        values[:, :, before:after] = value_states
        self.keys, self.values = keys[:, :, :after], values[:, :, :after]
        return self.keys, self.values

    def batch_select_indices(self, indices: Int[Tensor, " K"]) -> None:
        """Only keep these rows."""
        if self._rows is not None:
            self._rows = self._rows[indices]
        elif self._held is not None:
            size = self.get_seq_length()
            keys, values = (part[indices] for part in self._held)
            self._held = keys, values
            self.keys, self.values = keys[:, :, :size], values[:, :, :size]
        else:
            super().batch_select_indices(indices)


def _opened(
    before: Float[Tensor, "B H T D"],
    rows: Int[Tensor, " R"],
    more: Float[Tensor, "R H A D"],
    room: int,
) -> Float[Tensor, "R H S D"]:
    """Memory for the chosen rows, `more` and `room`, with the chosen rows in it."""
    size = before.shape[2]
    shape = (len(rows), more.shape[1], size + more.shape[2] + room, more.shape[3])
    whole = more.new_empty(shape)
    torch.index_select(before, 0, rows, out=whole[:, :, :size])
    return whole
