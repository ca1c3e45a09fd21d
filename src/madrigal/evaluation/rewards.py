"""What a reward model says of answers."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from madrigal.evaluation.batches import by_length
from madrigal.evaluation.prefill import right_padded
from madrigal.model.language_model import LanguageModel
from madrigal.tasks.encoded import Example


def rewards(
    model: LanguageModel, task: str, examples: Sequence[Example], batch_tokens: int
) -> list[Float[np.ndarray, " _"]]:
    """The reward of each row of each example, by the task's head at the row's last token.

    Of a head that gives a score for length beside it, the reward is the first.
    """
    rows = [row for example in examples for row in example]
    found = torch.zeros(len(rows), device=model.device)
    for batch in by_length([row.length for row in rows], batch_tokens):
        states = model.states(right_padded([rows[i].tokens for i in batch]).to(model.device))
        ends = torch.tensor([rows[i].length - 1 for i in batch], device=model.device)
        scores = model.scores(task, states[torch.arange(len(batch), device=model.device), ends])
        found[torch.tensor(batch, device=model.device)] = scores[:, 0]
    sizes = np.cumsum([len(example) for example in examples])
    return np.split(found.cpu().numpy(), sizes[:-1])
