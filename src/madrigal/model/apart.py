"""A model of every task's own adapter, with nothing shared, in place of the shared adapter."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from madrigal.model.adapter import add_private
from madrigal.model.language_model import LanguageModel
from madrigal.model.lora import LeanLinear
from madrigal.recipe.model import FullAdapter, LoraAdapter, PrivatePart


def why_not_apart(model: LanguageModel, adapter: LoraAdapter | FullAdapter) -> str | None:
    """Why several tasks cannot each train this adapter in the same passes, as alone; None if so.

    They can where rows do not meet: where only LoRA on linear layers is trained, and chance (whose
    draws would fall differently) plays no part.
    """
    if isinstance(adapter, FullAdapter):
        return "every parameter is trained"
    if adapter.private is not None:
        return "the adapter has private parts already"
    for name, module in model.causal.named_modules():
        if isinstance(module, nn.Dropout) and module.p > 0:
            return f"{name} has dropout"
        if any(_positive(module, attribute) for attribute in ("attention_dropout", "dropout")):
            return f"{name} has dropout"
    hosts = {name for name, _ in _adapted(model)}
    trained = {id(p) for _, module in _adapted(model) for p in module.parameters()}
    other = [name for name, p in model.trainable() if id(p) not in trained]
    if other:
        return f"{other[0]} is no linear layer"
    outside = [name for name in hosts if ".experts." in name or not _numbered(name)]
    return f"{outside[0]} is not inside a block" if outside else None


def _positive(module: nn.Module, attribute: str) -> bool:
    value = getattr(module, attribute, None)
    return isinstance(value, float) and value > 0


def _numbered(name: str) -> bool:
    return any(part.isdigit() for part in name.split("."))


def _adapted(model: LanguageModel) -> list[tuple[str, LeanLinear]]:
    found = model.causal.named_modules()
    return [(name, module) for name, module in found if isinstance(module, LeanLinear)]


def apart(model: LanguageModel, adapter: LoraAdapter, tasks: Sequence[str]) -> LanguageModel:
    """The model with its shared adapter taken off, and a private one like it for each task.

    Every task begins with what the shared adapter holds now. The given model is used up.
    """
    from madrigal.model.load import recompute

    shared: dict[str, Any] = dict(_adapted(model))
    starts = {
        name: (module.lora_A["default"].weight.detach(), module.lora_B["default"].weight.detach())
        for name, module in shared.items()
    }
    peft_model: Any = model.network
    network: Any = peft_model.unload()
    alike = PrivatePart(rank=adapter.rank, alpha=adapter.alpha, layers=_blocks(adapter))
    parts = add_private(network, adapter.model_copy(update={"private": alike}), tasks, 0)
    assert parts is not None
    assert set(parts.layers) == set(starts)
    with torch.no_grad():
        for name, layer in parts.layers.items():
            layer.to(model.device)
            for task in tasks:
                for own, start in zip(layer.pair(task), starts[name], strict=True):
                    own.copy_(start)
    if getattr(network, "is_activation_checkpointing", False):
        recompute(network, parts)
    return replace(model, network=network, private=parts)


def _blocks(adapter: LoraAdapter) -> Any:
    assert adapter.layers != "none"
    return adapter.layers
