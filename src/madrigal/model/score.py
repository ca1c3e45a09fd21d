"""Heads on states: reward models score answers by them, critics expect these scores."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

HEADS = "reward_heads"  # in the causal model, so that they are trained and kept with it
_OF = "of_"  # a task may be called as a method of the container
_CRITIC = "critic_of_"


def add_reward_heads(causal: Any, heads: Mapping[str, int], seed: int) -> None:
    """Give each task a head: one linear layer without bias, from a state to so many scores.

    Its weights are float32, drawn from N(0, 1 / (D + 1)), D the width of a state (Stiennon et al.,
    2020), by the seed and the task's name.
    """
    if not heads:
        return
    held = _container(causal)
    for task, outputs in heads.items():
        width = width_of(causal)
        text = f"{seed}:reward:{task}".encode()
        number = int.from_bytes(hashlib.sha256(text).digest()[:7], "big")
        generator = torch.Generator().manual_seed(number)
        head = nn.Linear(width, outputs, bias=False)
        nn.init.normal_(head.weight, std=(width + 1) ** -0.5, generator=generator)
        held[_OF + task] = head


def add_critics(causal: Any, tasks: Sequence[str]) -> None:
    """Give each task a critic: a linear layer of zeros, with bias, from a state to what it expects.

    It is trained and kept as reward heads are, and is no part of a stage's result.
    """
    for task in tasks:
        head = nn.Linear(width_of(causal), 1)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        _container(causal)[_CRITIC + task] = head


def _container(causal: Any) -> nn.ModuleDict:
    if not hasattr(causal, HEADS):
        causal.add_module(HEADS, nn.ModuleDict())
    return getattr(causal, HEADS)


def put_reward_heads(causal: Any, weights: Mapping[str, Tensor]) -> None:
    """Give tasks heads that were trained before, by their weights (H x D)."""
    add_reward_heads(causal, {task: len(weight) for task, weight in weights.items()}, 0)
    with torch.no_grad():
        for task, head in reward_heads(causal):
            head.weight.copy_(weights[task])


def width_of(causal: Any) -> int:
    """Of the states that the output head reads."""
    head = causal.get_output_embeddings()
    weight = getattr(getattr(head, "base_layer", head), "weight", None)
    return causal.config.get_text_config().hidden_size if weight is None else weight.shape[1]


def reward_heads(causal: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    """Every reward head, by its task."""
    return _named(causal, _OF)


def critics(causal: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    """Every critic, by its task."""
    return _named(causal, _CRITIC)


def heads(causal: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    """Both."""
    return chain(reward_heads(causal), critics(causal))


def _named(causal: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Linear]]:
    held: Any = getattr(causal, HEADS, {})
    own = ((name, head) for name, head in held.items() if name.startswith(prefix))
    return ((name.removeprefix(prefix), head) for name, head in own)


def is_of_reward_head(name: str) -> bool:
    """Whether a parameter of this name, in any network around the causal model, is a head's, of a
    reward model or a critic."""
    return HEADS in name.split(".")
