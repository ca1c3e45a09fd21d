"""A trained adapter laid into the base, so that a fresh one can begin where it ended."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from madrigal.errors import ModelError
from madrigal.model.language_model import LanguageModel
from madrigal.model.update import Update


@dataclass(frozen=True, slots=True)
class Adapted:
    """The A matrix (rank x inputs) that a layer trains, and those of adapters laid under it."""

    now: torch.nn.Parameter
    before: Float[Tensor, "R I"]


@torch.no_grad()
def fold(model: LanguageModel, seed: int) -> None:
    """Add every shared LoRA update s B A to the weight below it, and begin a fresh one.

    The model computes the same before and after, to rounding: the new B is zero. The new A is
    peft's own first value, drawn by `seed`. What was folded is remembered in `model.folded`, from
    which the adapter is written as one of the summed rank.

    Raises:
        ModelError: see `refuse_unfolded`.
    """
    refuse_unfolded(model)
    chance = torch.Generator().manual_seed(seed)
    for name, (layer, a, b, scale) in _lora_layers(model):
        _lay_under(model, name, layer, Update(a.detach().clone(), b.detach().clone() * scale))
        bound = 1 / math.sqrt(a.shape[1])  # kaiming_uniform with a = sqrt(5), as peft draws it
        fresh = torch.rand(a.shape, generator=chance) * 2 * bound - bound
        a.copy_(fresh.to(a))
        b.zero_()


@torch.no_grad()
def lay_under(model: LanguageModel, former: Mapping[str, Sequence[Update]]) -> None:
    """Fold updates that another run's stages ended with, by layer, in their order.

    Raises:
        ModelError: a layer is not there, or of another shape; nothing is folded then.
    """
    refuse_unfolded(model)
    layers = dict(_lora_layers(model))
    for name, updates in former.items():
        own = layers.get(name)
        found = None if own is None else (own[2].shape[0], own[1].shape[1])
        for update in updates:
            if found != (update.b.shape[0], update.a.shape[1]):
                there = "is not adapted here" if found is None else f"is {found[0]}x{found[1]} here"
                raise ModelError(
                    f"o_lora: {name} {there}, and an earlier adapter is for "
                    f"{update.b.shape[0]}x{update.a.shape[1]}; give both runs the same `model`"
                )
    for name, updates in former.items():
        for update in updates:
            there = Update(update.a.to(model.device), update.b.to(model.device))
            _lay_under(model, name, layers[name][0], there)


@contextmanager
def begun_afresh(model: LanguageModel, seed: int) -> Iterator[None]:
    """Inside, the model is as `fold` would leave it; afterwards what it was, bit by bit.

    Raises:
        ModelError: see `refuse_unfolded`.
    """
    parts = [
        part
        for _, (layer, a, b, _) in _lora_layers(model)
        for part in (_own_weight(model, layer.get_base_layer()), a, b)
    ]
    held = [_local(part).detach().clone() for part in parts]
    fold(model, seed)
    try:
        yield
    finally:
        with torch.no_grad():
            for part, before in zip(parts, held, strict=True):
                _local(part).copy_(before)
        for name, _ in _lora_layers(model):
            model.folded[name].pop()
            if not model.folded[name]:
                del model.folded[name]


def _local(parameter: torch.nn.Parameter) -> Tensor:
    """What this process holds of it."""
    from torch.distributed.tensor import DTensor

    return parameter.to_local() if isinstance(parameter, DTensor) else parameter.data


def _lay_under(model: LanguageModel, name: str, layer: Any, update: Update) -> None:
    """Add an update to the layer's weight, and remember it."""
    weight = _own_weight(model, layer.get_base_layer())
    change = update.b @ update.a
    _add(weight, change.T if layer.fan_in_fan_out else change)
    model.folded.setdefault(name, []).append(update)


def _add(weight: torch.nn.Parameter, change: Float[Tensor, "O I"]) -> None:
    """To the whole weight, or to the part of it that this process holds."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if isinstance(weight, DTensor):
        part = distribute_tensor(change, weight.device_mesh, weight.placements)
        _local(weight).add_(part.to_local())
        return
    weight.add_(change)


def refuse_unfolded(model: LanguageModel) -> None:
    """Check at set-up that `fold` can work.

    Raises:
        ModelError: there is no shared adapter, or one that is on something else than a linear
            layer.
    """
    layers = dict(_lora_layers(model))
    if not layers:
        raise ModelError("o_lora: the model has no shared LoRA adapter; write `adapter: lora`")
    folded = {id(part) for _, a, b, _ in layers.values() for part in (a, b)}
    other = [name for name, p in model.shared() if id(p) not in folded]
    if other:
        raise ModelError(
            f"o_lora: model.adapter.targets: {other[0]} is not on a linear layer, and only these "
            "can take an adapter in; name other `targets`"
        )


def _own_weight(model: LanguageModel, layer: Any) -> torch.nn.Parameter:
    """The layer's weight, parted from the embedding where the head is the embedding again."""
    causal: Any = model.causal
    if layer.weight is getattr(causal.get_input_embeddings(), "weight", None):
        layer.weight = torch.nn.Parameter(layer.weight.detach().clone(), requires_grad=False)
    return layer.weight


def adapted(model: LanguageModel) -> list[Adapted]:
    """Every layer whose fresh adapter has older ones under it."""
    return [
        Adapted(a, torch.cat([update.a for update in model.folded[name]]))
        for name, (_, a, _, _) in _lora_layers(model)
        if name in model.folded
    ]


def _lora_layers(
    model: LanguageModel,
) -> Iterator[tuple[str, tuple[Any, torch.nn.Parameter, torch.nn.Parameter, float]]]:
    """Name, and layer, A, B and scale, of every shared LoRA layer."""
    from madrigal.model.lora import LeanLinear

    for name, module in model.causal.named_modules():
        if isinstance(module, LeanLinear):
            (active,) = module.active_adapters
            a: Any
            b: Any
            a, b = module.lora_A[active].weight, module.lora_B[active].weight
            yield name, (module, a, b, module.scaling[active])
