"""What stands for a row inside of the model: one state, before its answer is known."""

import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.objectives.base import Pool
from madrigal.tasks.encoded import Encoded
from madrigal.training.layout import Microbatch, Segment


def row_states(
    states: Float[Tensor, "B T D"], batch: Microbatch, segment: Segment, pool: Pool
) -> Float[Tensor, "R D"]:
    """The state that each row of the segment has where its answer begins, or their mean before it.

    A row that is trained from its second token on is raw text: its end, or the mean over all of it.
    """
    width = batch.tokens.shape[1]
    first = segment.first_row
    ends = batch.ends[first : first + len(segment.rows)].tolist()
    flat = states.reshape(-1, states.shape[-1])
    found = []
    for row, end in zip(segment.rows, ends, strict=True):
        begin = end // width * width  # a row's prompt stands at the beginning of its line
        asked = asked_tokens(row)
        part = flat[begin : begin + asked]
        found.append(part[-1] if pool == "last" else part.mean(dim=0))
    return torch.stack(found).float()


def asked_tokens(row: Encoded) -> int:
    """Tokens before the first trained one; of raw text all of them."""
    first = int(row.trained.argmax())
    return first if first > 1 else row.length
