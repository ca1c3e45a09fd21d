"""Dropout, wherever architectures keep its probability."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from madrigal.errors import ModelError

# What architectures of transformers call their dropout probabilities.
_NAMES = (
    "attention_dropout", "hidden_dropout", "resid_dropout", "embed_dropout", "dropout",
    "resid_pdrop", "embd_pdrop", "attn_pdrop",
    "hidden_dropout_prob", "attention_probs_dropout_prob",
)  # fmt: skip


def set_dropout(network: Any, probability: float) -> None:
    """Give every dropout of the network this probability.

    Raises:
        ModelError: the architecture has none.
    """
    names = [name for name in _NAMES if isinstance(getattr(network.config, name, None), float)]
    if not names:
        raise ModelError(
            f"model.dropout: {network.config.model_type} models have no dropout; leave it out and "
            "use adapter.dropout or weight decay"
        )
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = probability
        for name in names:  # attention layers keep the number and apply it themselves
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, probability)
    for name in names:
        setattr(network.config, name, probability)


@contextmanager
def without_dropout(network: nn.Module) -> Iterator[None]:
    """Inside, nothing is dropped, although modules stay in the mode that they are in.

    Gradient checkpointing is there in training mode only, so leaving that mode is no way out.
    """
    held = [
        (module, name, getattr(module, name))
        for module in network.modules()
        for name in (("p",) if isinstance(module, nn.Dropout) else _NAMES)
        if isinstance(getattr(module, name, None), float)
    ]
    for module, name, _ in held:
        setattr(module, name, 0.0)
    try:
        yield
    finally:
        for module, name, probability in held:
            setattr(module, name, probability)
