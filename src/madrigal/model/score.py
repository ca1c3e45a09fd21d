"""Heads that score answers, one for each task that trains a reward model."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

HEADS = "reward_heads"  # in the causal model, so that they are trained and kept with it
_OF = "of_"  # a task may be called as a method of the container


def add_reward_heads(causal: Any, heads: Mapping[str, int], seed: int) -> None:
    """Give each task a head: one linear layer without bias, from a state to so many scores.

    Its weights are float32, drawn from N(0, 1 / (D + 1)), D the width of a state (Stiennon et al.,
    2020), by the seed and the task's name.
    """
    if not heads:
        return
    held = nn.ModuleDict()
    for task, outputs in heads.items():
        width = _width(causal)
        text = f"{seed}:reward:{task}".encode()
        number = int.from_bytes(hashlib.sha256(text).digest()[:7], "big")
        generator = torch.Generator().manual_seed(number)
        head = nn.Linear(width, outputs, bias=False)
        nn.init.normal_(head.weight, std=(width + 1) ** -0.5, generator=generator)
        held[_OF + task] = head
    causal.add_module(HEADS, held)


def put_reward_heads(causal: Any, weights: Mapping[str, Tensor]) -> None:
    """Give tasks heads that were trained before, by their weights (H x D)."""
    add_reward_heads(causal, {task: len(weight) for task, weight in weights.items()}, 0)
    with torch.no_grad():
        for task, head in reward_heads(causal):
            head.weight.copy_(weights[task])


def _width(causal: Any) -> int:
    """Of the states that the output head reads."""
    head = causal.get_output_embeddings()
    weight = getattr(getattr(head, "base_layer", head), "weight", None)
    return causal.config.get_text_config().hidden_size if weight is None else weight.shape[1]


def reward_heads(causal: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    """Every head, by its task."""
    held: Any = getattr(causal, HEADS, {})
    return ((name.removeprefix(_OF), head) for name, head in held.items())


def is_of_reward_head(name: str) -> bool:
    """Whether a parameter of this name, in any network around the causal model, is a head's."""
    return HEADS in name.split(".")
