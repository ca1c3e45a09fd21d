"""peft's LoRA layer with less work around its products."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from peft.tuners import lora
from torch import Tensor, nn

from madrigal.model.packed import Product, product
from madrigal.model.private import PrivateLora


class LeanLinear(lora.Linear):
    """The same sum, W x + B (s A x), with fewer passes over the activations.

    Under autocast `x` changes its number format once for both products, the scale s is applied
    where the rank is and not the width, and the update is added in place. Parameters, names and
    files are peft's, and so is everything but the plain case. A task-private part that was
    attached adds its own update.
    """

    def forward(self, x: Float[Tensor, "*B I"], *args: Any, **others: Any) -> Float[Tensor, "*B O"]:
        whole = _whole.get(self)
        if whole is not None and not (args or others or self.disable_adapters):
            return whole(x)
        active = self.active_adapters
        plain = (
            len(active) == 1
            and active[0] in self.lora_A
            and not (args or others or self.disable_adapters or self.merged or self.lora_variant)
        )
        if not plain:
            return super().forward(x, *args, **others)
        (name,) = active
        kind = x.device.type
        if torch.is_autocast_enabled(kind):
            x = x.to(torch.get_autocast_dtype(kind))
        low = self.lora_A[name](self.lora_dropout[name](x)) * self.scaling[name]
        y = self.base_layer(x).add_(self.lora_B[name](low))
        private = self._modules.get("private")
        return private(y, x) if isinstance(private, PrivateLora) else y


def lighten(network: nn.Module) -> None:
    """Turn peft's plain LoRA layers into lean ones, in place."""
    for module in network.modules():
        if type(module) is lora.Linear:
            module.__class__ = LeanLinear


# Bytes that the products may take beside the model.
MOST = 1 << 30
_whole: dict[nn.Module, Product] = {}  # of the layers that are joined now


@contextmanager
def joined(network: nn.Module) -> Iterator[None]:
    """Inside, each lean layer has W + s B A as one matrix, as far as copies of these fit `MOST`
    bytes; nothing of the network itself changes.

    For many passes of few tokens, in which the small products cost most of the time. Dropout must
    be off and no gradient wanted.
    """
    held: list[Any] = [m for m in network.modules() if isinstance(m, LeanLinear) and _joins(m)]
    if sum(layer.base_layer.weight.nbytes for layer in held) > MOST:
        held = []
    try:
        for layer in held:
            (name,) = layer.active_adapters
            base = layer.base_layer
            _whole[layer] = product(base.weight + layer.get_delta_weight(name), base.bias)
        yield
    finally:
        for layer in held:
            _whole.pop(layer, None)


def _joins(layer: LeanLinear) -> bool:
    """Whether one matrix says all that a layer does."""
    active = layer.active_adapters
    base = layer.base_layer
    return (
        type(base) is nn.Linear
        and base.weight.is_floating_point()
        and len(active) == 1
        and active[0] in layer.lora_A
        and not (layer.merged or layer.lora_variant or "private" in layer._modules)
    )
