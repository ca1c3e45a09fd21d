"""The tokens that answers of the model's own were drawn from, at each trained position."""

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from madrigal.model.nucleus import unpacked
from madrigal.training.layout import Microbatch


def kept_of(batch: Microbatch, vocabulary: int, device: torch.device) -> Bool[Tensor, "N V"] | None:
    """Which tokens count as possible at each position; None where all do."""
    rows = [row for segment in batch.segments for row in segment.rows]
    if all(row.acted is None or row.acted.kept is None for row in rows):
        return None
    whole = [
        np.ones((row.answer_tokens, vocabulary), dtype=bool)
        if row.acted is None or row.acted.kept is None
        else unpacked(row.acted.kept, vocabulary)
        for row in rows
    ]
    return torch.from_numpy(np.concatenate(whole)).to(device)
