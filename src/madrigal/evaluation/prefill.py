"""Prompts through the network once, with a cache to continue them from."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from madrigal.evaluation.roomy import Roomy
from madrigal.model.language_model import LanguageModel


@dataclass(frozen=True, slots=True)
class Prefilled:
    """What the network knows after B prompts, padded on the left to T tokens.

    `last` are the states after each prompt's last token. `mask` is 0 at padding; None where
    all prompts have the same length. `cache` holds the prompts' keys and values, or is None where
    the architecture has no cache whose rows can be chosen (recurrent models).
    """

    last: Float[Tensor, "B D"]
    lengths: Int[Tensor, " B"]
    mask: Int[Tensor, "B T"] | None
    cache: Any

    def branch(self, rows: Int[Tensor, " R"], room: int = 0) -> Any:
        """A cache of its own with the given prompts, each as often as it is named.

        After what is first appended there is `room` for so many further tokens without a copy.
        """
        twin = copy.copy(self.cache)
        twin.layers = [_chosen(layer, rows, room) for layer in self.cache.layers]
        return twin


def prefill(model: LanguageModel, prompts: Sequence[Int[np.ndarray, " _"]]) -> Prefilled:
    """Run the prompts through the decoder.

    They are padded on the left, as for generation: whatever the architecture does with distances
    (rotary or learned positions, attention windows), the tokens that follow are adjacent.
    """
    longest = max(len(prompt) for prompt in prompts)
    tokens = np.zeros((len(prompts), longest), dtype=np.int64)
    mask = np.zeros_like(tokens)
    for row, prompt in enumerate(prompts):
        tokens[row, longest - len(prompt) :] = prompt
        mask[row, longest - len(prompt) :] = 1
    device = model.device
    padding: dict[str, Tensor] = {}
    if not mask.all():
        places = torch.from_numpy(np.maximum(mask.cumsum(axis=1) - 1, 0))
        padding = {
            "attention_mask": torch.from_numpy(mask).to(device),
            "position_ids": places.to(device),
        }
    output = _decoder(model)(
        input_ids=torch.from_numpy(tokens).to(device), use_cache=True, **padding
    )
    cache = getattr(output, "past_key_values", None)
    last, lengths = output.last_hidden_state[:, -1], [len(prompt) for prompt in prompts]
    if not _has_rows(cache):
        # A recurrent model may not know padding on the left.
        cache, states = None, model.states(right_padded(prompts).to(device))
        last = states[torch.arange(len(prompts)), torch.tensor(lengths) - 1]
    return Prefilled(
        last=last,
        lengths=torch.tensor(lengths, device=device),
        mask=padding.get("attention_mask"),
        cache=cache,
    )


def right_padded(rows: Sequence[Shaped[np.ndarray, " _"]]) -> Int[Tensor, "R T"]:
    """Rows as one tensor of integers; causality keeps the zeros on the right out."""
    tokens = np.zeros((len(rows), max(len(row) for row in rows)), dtype=np.int64)
    for place, row in enumerate(rows):
        tokens[place, : len(row)] = row
    return torch.from_numpy(tokens)


def _decoder(model: LanguageModel) -> Any:
    causal: Any = model.causal
    return causal.get_decoder()


def _has_rows(cache: Any) -> bool:
    """Whether every layer keeps keys and values only, which can be chosen row by row."""
    from transformers.cache_utils import DynamicLayer, LinearAttentionCacheLayerMixin

    layers = getattr(cache, "layers", None)
    return bool(layers) and all(
        isinstance(layer, DynamicLayer) and not isinstance(layer, LinearAttentionCacheLayerMixin)
        for layer in layers
    )


def _chosen(layer: Any, rows: Int[Tensor, " R"], room: int) -> Any:
    """A twin of a cache layer that holds the given rows."""
    from transformers.cache_utils import DynamicLayer

    if type(layer) is DynamicLayer:
        return Roomy(layer, rows, room)
    twin = copy.copy(layer)
    twin.batch_select_indices(rows)
    return twin


def extend(
    model: LanguageModel,
    tokens: Int[Tensor, "R A"],
    cache: Any,
    mask: Int[Tensor, "R S"] | None,
    places: Int[Tensor, " R"],
) -> Float[Tensor, "R A D"]:
    """States after each of A further tokens of R rows; the cache grows by them.

    `mask` covers what the cache holds (S positions); None if nothing there is padding. `places` is
    the position of each row's first token.
    """
    more: dict[str, Tensor] = {}
    if mask is not None:
        more["attention_mask"] = torch.cat([mask, mask.new_ones(tokens.shape)], dim=1)
    steps = torch.arange(tokens.shape[1], device=tokens.device)
    output = _decoder(model)(
        input_ids=tokens,
        past_key_values=cache,
        use_cache=True,
        position_ids=places[:, None] + steps,
        **more,
    )
    return output.last_hidden_state
