"""What is known of each answer, one a row: its log-probability, its length, what was said of it."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.objectives.base import Outputs
from madrigal.tasks.encoded import Encoded, Judged

Normalise = Literal["none", "tokens"]


def judgements(rows: Sequence[Encoded]) -> list[Judged]:
    """What was said about each row."""
    found = [row.judged for row in rows]
    if None in found:
        raise ValueError("this objective needs feedback, and a row has none")
    return [one for one in found if one is not None]


def values(rows: Sequence[Encoded]) -> Float[np.ndarray, " R"]:
    """The rating of each row, scaled to [0, 1], or its share of thumbs up; nan where unknown."""
    return np.array([one.value for one in judgements(rows)], dtype=np.float64)


def lengths(rows: Sequence[Encoded], like: Tensor) -> Float[Tensor, " R"]:
    """Trained tokens of each row, at least 1."""
    counts = [max(1, row.answer_tokens) for row in rows]
    return torch.tensor(counts, device=like.device, dtype=like.dtype)


def summed(rows: Sequence[Encoded], outputs: Outputs) -> Float[Tensor, " R"]:
    """log pi(y|x): the log-probability of each row's trained tokens together, in nats."""
    return outputs.logps.new_zeros(len(rows)).index_add(0, outputs.row, outputs.logps)


def averaged(rows: Sequence[Encoded], outputs: Outputs) -> Float[Tensor, " R"]:
    """log pi(y|x) / |y|: nats per trained token of each row."""
    return summed(rows, outputs) / lengths(rows, outputs.logps)


def log_ratios(
    rows: Sequence[Encoded], outputs: Outputs, normalise: Normalise
) -> Float[Tensor, " R"]:
    """log pi(y|x) - log pi_ref(y|x) of each row, in nats; with `tokens` by trained token."""
    known = np.array([one.reference for one in judgements(rows)], dtype=np.float64)
    if np.isnan(known).any():
        raise ValueError("this objective needs the log-probability of each row under a reference")
    reference = torch.from_numpy(known).to(outputs.logps.device, outputs.logps.dtype)
    ratios = summed(rows, outputs) - reference
    return ratios / lengths(rows, outputs.logps) if normalise == "tokens" else ratios
