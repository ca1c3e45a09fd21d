"""How well raw text is predicted: nats of every token, row by row."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.evaluation.batches import by_length, quiet
from madrigal.evaluation.prefill import right_padded
from madrigal.model.language_model import LanguageModel
from madrigal.tasks.encoded import Encoded


def row_nats(
    model: LanguageModel,
    rows: Sequence[Encoded],
    batch_tokens: int,
    on_progress: Callable[[int, int], None] = quiet,
) -> list[float]:
    """Sum of the negative log-likelihoods of each row's trained tokens, in nats."""
    nats = [0.0] * len(rows)
    done = 0
    for batch in by_length([row.length for row in rows], batch_tokens):
        tokens = right_padded([rows[i].tokens for i in batch]).to(model.device)
        states = model.states(tokens)
        for place, index in enumerate(batch):
            nats[index] = _nats(model, states[place], tokens[place], rows[index])
        done += len(batch)
        on_progress(done, len(rows))
    return nats


def _nats(
    model: LanguageModel, states: Float[Tensor, "T D"], tokens: Tensor, row: Encoded
) -> float:
    at = torch.from_numpy(row.trained.nonzero()[0]).to(model.device)
    logps, _ = model.logps(states[at - 1], tokens[at])
    return -float(logps.double().sum())
