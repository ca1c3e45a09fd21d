"""Put the splitting layers in a network's place, or say which parameter cannot be covered."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from madrigal.errors import ModelError
from madrigal.gradients.layers import SplitConv1D, SplitEmbedding, SplitGain, SplitLinear
from madrigal.gradients.ledger import Ledger

Forward = Callable[..., Tensor]


def _linear(module: Any, ledger: Ledger) -> Forward:
    return lambda x: SplitLinear.apply(x, module.weight, module.bias, ledger)


def _conv1d(module: Any, ledger: Ledger) -> Forward:
    return lambda x: SplitConv1D.apply(x, module.weight, module.bias, ledger)


def _embedding(module: Any, ledger: Ledger) -> Forward:
    def forward(tokens: Tensor) -> Tensor:
        # Positions come as one row for the whole batch; each row must get a gradient of its own.
        own = tokens.expand(ledger.spans.units, -1) if tokens.shape[0] == 1 else tokens
        return SplitEmbedding.apply(own, module.weight, module.padding_idx, ledger)

    return forward


def _layer_norm(module: Any, ledger: Ledger) -> Forward:
    def forward(x: Tensor) -> Tensor:
        plain = nn.functional.layer_norm(x, module.normalized_shape, None, None, module.eps)
        return SplitGain.apply(plain, module.weight, module.bias, ledger)

    return forward


def _rms_norm(module: Any, ledger: Ledger) -> Forward:
    """Norms of transformers whose output is `weight * normalised`."""
    eps = module.variance_epsilon if hasattr(module, "variance_epsilon") else module.eps

    def forward(x: Tensor) -> Tensor:
        wide = x.float()
        plain = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
        return SplitGain.apply(plain.to(x.dtype), module.weight, None, ledger)

    return forward


def _kind(module: nn.Module) -> Callable[[Any, Ledger], Forward] | None:
    name = type(module).__name__
    if type(module) is nn.Linear:
        return _linear
    if name == "Conv1D":
        return _conv1d
    if type(module) is nn.Embedding:
        return _embedding if module.max_norm is None and not module.sparse else None
    if type(module) is nn.LayerNorm:
        return _layer_norm
    if name.endswith("RMSNorm"):
        return _rms_norm
    return None


def _owners(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Modules that hold a trainable parameter themselves."""
    for name, module in network.named_modules():
        if any(p.requires_grad for p in module.parameters(recurse=False)):
            yield name, module


def uncovered(network: nn.Module) -> list[str]:
    """Names of trainable parameters in layers that cannot be split by task."""
    return [
        f"{name}.{own}" if name else own
        for name, module in _owners(network)
        if _kind(module) is None
        for own, p in module.named_parameters(recurse=False)
        if p.requires_grad
    ]


@contextmanager
def per_task(network: nn.Module, ledger: Ledger) -> Iterator[None]:
    """Inside, the layers with trainable parameters add their gradients to the ledger by task.

    Raises:
        ModelError: a trainable parameter is in a layer that cannot be split, by its name.
    """
    missing = uncovered(network)
    if missing:
        raise ModelError(
            f"balance: the gradient of {missing[0]} cannot be split by task; "
            "train other layers, or choose a balancer that needs no per-task gradients"
        )
    changed = []
    for _, module in _owners(network):
        kind = _kind(module)
        assert kind is not None
        module.forward = kind(module, ledger)  # type: ignore[method-assign]
        changed.append(module)
    try:
        yield
    finally:
        for module in changed:
            del module.forward
