"""Put the splitting layers in a network's place, or say which parameter cannot be covered."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from madrigal.errors import ModelError
from madrigal.gradients.layers import (
    SplitConv1D,
    SplitEmbedding,
    SplitGain,
    SplitLinear,
    SplitLowRankTable,
)
from madrigal.gradients.ledger import Ledger
from madrigal.gradients.private import split_private
from madrigal.model.private import PrivateLora

Forward = Callable[..., Tensor]


def _linear(module: Any, ledger: Ledger) -> Forward:
    return lambda x: SplitLinear.apply(x, module.weight, module.bias, ledger)


def _conv1d(module: Any, ledger: Ledger) -> Forward:
    return lambda x: SplitConv1D.apply(x, module.weight, module.bias, ledger)


def _row_each(tokens: Tensor, ledger: Ledger) -> Tensor:
    """Positions come as one row for the whole batch; each row must get a gradient of its own."""
    return tokens.expand(ledger.spans.units, -1) if tokens.shape[0] == 1 else tokens


def _embedding(module: Any, ledger: Ledger) -> Forward:
    return lambda tokens: SplitEmbedding.apply(
        _row_each(tokens, ledger), module.weight, module.padding_idx, ledger
    )


def _low_rank_table(module: Any, ledger: Ledger) -> Forward:
    (name,) = module.active_adapters
    base = module.get_base_layer()

    def forward(tokens: Tensor) -> Tensor:
        update = SplitLowRankTable.apply(
            _row_each(tokens, ledger),
            module.lora_embedding_A[name],
            module.lora_embedding_B[name],
            base.padding_idx,
            module.scaling[name],
            ledger,
        )
        result = base(tokens)
        return (result + update).to(result.dtype)

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


def _is_plain_low_rank_table(module: Any) -> bool:
    from peft.tuners import lora

    return (
        type(module) is lora.Embedding
        and len(module.active_adapters) == 1
        and not module.lora_variant
        and getattr(module, "_get_embed_scale", lambda: None)() is None
        and all(isinstance(drop, nn.Identity) for drop in module.lora_dropout.values())
        and module.get_base_layer().max_norm is None
    )


def _kind(module: nn.Module) -> Callable[[Any, Ledger], Forward] | None:
    name = type(module).__name__
    if type(module) is nn.Linear:
        return _linear
    if isinstance(module, PrivateLora):
        return split_private
    if name == "Conv1D":
        return _conv1d
    if type(module) is nn.Embedding:
        return _embedding if module.max_norm is None and not module.sparse else None
    if type(module) is nn.LayerNorm:
        return _layer_norm
    if name.endswith("RMSNorm"):
        return _rms_norm
    if name == "Embedding" and _is_plain_low_rank_table(module):
        return _low_rank_table
    return None


def _held(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Parameters of a layer itself; peft keeps those of an embedding one level down."""
    yield from module.named_parameters(recurse=False)
    for name, child in module.named_children():
        if isinstance(child, nn.ParameterDict):
            yield from child.named_parameters(prefix=name, recurse=False)


def _owners(network: nn.Module, wanted: Collection[int]) -> Iterator[tuple[str, nn.Module]]:
    """Modules that hold one of the parameters themselves."""
    for name, module in network.named_modules():
        if isinstance(module, nn.ParameterDict):
            continue  # its owner speaks for it
        if any(id(p) in wanted for _, p in _held(module)):
            yield name, module


def _identities(parameters: Mapping[str, nn.Parameter]) -> frozenset[int]:
    return frozenset(id(p) for p in parameters.values())


def uncovered(network: nn.Module, parameters: Mapping[str, nn.Parameter]) -> list[str]:
    """Names of those parameters that are in layers whose gradients cannot be split by task."""
    wanted = _identities(parameters)
    found = [
        f"{name}.{own}" if name else own
        for name, module in _owners(network, wanted)
        if _kind(module) is None
        for own, p in _held(module)
        if id(p) in wanted
    ]
    seen = {id(p) for _, module in _owners(network, wanted) for _, p in _held(module)}
    return [*found, *(name for name, p in parameters.items() if id(p) not in seen)]


def refuse_uncovered(network: nn.Module, parameters: Mapping[str, nn.Parameter]) -> None:
    """Check at set-up that every gradient can be split.

    Raises:
        ModelError: a parameter is in a layer that cannot be split, by its name.
    """
    missing = uncovered(network, parameters)
    if missing:
        raise ModelError(
            f"balance: the gradient of {missing[0]} cannot be split by task; "
            "train other layers, or choose a balancer that needs no per-task gradients"
        )


class Taps:
    """The layers of a network that hold a ledger's parameters, and what they run while it is open.

    Found once: going through a network's modules takes longer than a small layer.

    Raises:
        ModelError: a parameter is in a layer that cannot be split, by its name.
    """

    def __init__(self, network: nn.Module, ledger: Ledger) -> None:
        refuse_uncovered(network, ledger.parameters)
        self._forwards: list[tuple[nn.Module, Forward]] = []
        for _, module in _owners(network, _identities(ledger.parameters)):
            kind = _kind(module)
            assert kind is not None
            self._forwards.append((module, kind(module, ledger)))

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Inside, those layers add their gradients to the ledger by row."""
        for module, forward in self._forwards:
            module.forward = forward  # type: ignore[method-assign]
        try:
            yield
        finally:
            for module, _ in self._forwards:
                del module.forward


def per_task(network: nn.Module, ledger: Ledger) -> AbstractContextManager[None]:
    """Inside, the layers with the ledger's parameters add their gradients to it by row."""
    return Taps(network, ledger).opened()
