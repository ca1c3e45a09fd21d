"""What the model makes of a prompt, as one vector."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.evaluation.batches import by_length
from madrigal.evaluation.prefill import right_padded
from madrigal.model.language_model import LanguageModel
from madrigal.tasks.encoded import Encoded


@torch.no_grad()
def prompt_features(
    model: LanguageModel,
    rows: Sequence[Encoded],
    batch_tokens: int,
    states_of: Callable[[Tensor], Tensor] | None = None,
) -> Float[np.ndarray, "n D"]:
    """The mean of the decoder's last states over each row's untrained tokens (all, if none is).

    The states are the model's, or those that `states_of` gives for tokens on its device.
    """
    states_of = model.states if states_of is None else states_of
    found = np.zeros((len(rows), 0), dtype=np.float32)
    for batch in by_length([row.length for row in rows], batch_tokens):
        tokens = right_padded([rows[i].tokens for i in batch]).to(model.device)
        prompt = right_padded([_prompt(rows[i]) for i in batch]).to(model.device)
        states = states_of(tokens).float() * prompt[..., None]
        means = states.sum(1) / prompt.sum(1, keepdim=True)
        if not found.shape[1]:
            found = np.zeros((len(rows), means.shape[1]), dtype=np.float32)
        found[batch] = means.cpu().numpy()
    return found


def _prompt(row: Encoded) -> np.ndarray:
    return ~row.trained if (~row.trained[1:]).any() else np.ones(row.length, dtype=bool)
