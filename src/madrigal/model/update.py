"""A low-rank update of a layer's weight."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Update:
    """B A, to be added to a layer's weight (outputs x inputs)."""

    a: Float[Tensor, "R I"]
    b: Float[Tensor, "O R"]

    def padded(self, rank: int) -> "Update":
        """The same update with zeros up to `rank`."""
        more = rank - self.a.shape[0]
        a = torch.nn.functional.pad(self.a, (0, 0, 0, more))
        return Update(a, torch.nn.functional.pad(self.b, (0, more)))
