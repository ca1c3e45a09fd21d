"""Put an adapter on a network: the part that all tasks share, and each task's own."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from madrigal.errors import ModelError
from madrigal.model.blocks import block_of, check_blocks, in_blocks
from madrigal.model.private import (
    PrivateHead,
    PrivateLora,
    PrivateParts,
    attach,
    initialise,
)
from madrigal.model.route import Routing
from madrigal.model.targets import check_targets, is_target
from madrigal.recipe.model import FullAdapter, LoraAdapter, PrivatePart


def scaling(settings: LoraAdapter | PrivatePart) -> float:
    """alpha / rank, the factor of an update."""
    return 2.0 if settings.alpha is None else settings.alpha / settings.rank


def add_adapter(network: Any, adapter: LoraAdapter | FullAdapter, seed: int) -> Any:
    """The network with only its shared adapter trainable, or with everything trainable."""
    if isinstance(adapter, FullAdapter):
        return network.requires_grad_(True)
    check_blocks("model.adapter.layers", adapter.layers, (n for n, _ in network.named_modules()))
    if adapter.layers == "none":
        return network.requires_grad_(False)
    check_targets(adapter.targets, _matrices(network))
    from peft import LoraConfig, get_peft_model

    from madrigal.model.lora import lighten

    config = LoraConfig(
        r=adapter.rank,
        lora_alpha=scaling(adapter) * adapter.rank,  # type: ignore[arg-type]
        lora_dropout=adapter.dropout,
        target_modules=_targets(network, adapter),
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(seed)  # the adapter's initial values
    try:
        with warnings.catch_warnings():
            # peft sees by itself that GPT-2 stores its weights transposed; and a name of
            # transformers that peft still uses has changed.
            warnings.filterwarnings("ignore", message="fan_in_fan_out is set to False")
            warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`")
            adapted = get_peft_model(network, config)
    except ValueError as problem:
        raise ModelError(f"model.adapter.targets: {str(problem).splitlines()[0]}") from problem
    lighten(adapted)
    return adapted


def _matrices(network: Any) -> Iterator[str]:
    """Names of the layers that have a weight of two sides or more."""
    for name, module in network.named_modules():
        weight = getattr(module, "weight", None)
        if isinstance(weight, torch.Tensor) and weight.ndim > 1:
            yield name


def _targets(network: Any, adapter: LoraAdapter) -> str | list[str]:
    if isinstance(adapter.layers, str):
        return "all-linear" if adapter.targets == "all_linear" else list(adapter.targets)
    return [
        name
        for name, module in network.named_modules()
        if _is_target(name, module, adapter) and in_blocks(name, adapter.layers)
    ]


def _is_target(name: str, module: nn.Module, adapter: LoraAdapter) -> bool:
    """Whether `targets` means this module; `all_linear` is meant inside the blocks only."""
    if adapter.targets == "all_linear":
        return block_of(name) is not None and sides(module) is not None
    return is_target(name, adapter.targets)


def sides(module: Any) -> tuple[int, int] | None:
    """Inputs and outputs of a linear layer, adapted or not; None for any other module."""
    from madrigal.model.lora import LeanLinear

    if type(module) in (LeanLinear, nn.Linear):
        return module.in_features, module.out_features
    if type(module).__name__ == "Conv1D":  # GPT-2's linear layer
        inputs, outputs = module.weight.shape
        return int(inputs), int(outputs)
    return None


def add_private(
    network: Any, adapter: LoraAdapter, tasks: Sequence[str], seed: int
) -> PrivateParts | None:
    """Give each of `tasks` its private part, beside a shared adapter or without one.

    Tasks of a group share one part. Tasks that the settings do not name get none.

    Raises:
        ModelError: the settings name blocks or layers that cannot have private parts.
    """
    settings = adapter.private
    if settings is None:
        return None
    causal = network.get_base_model() if hasattr(network, "get_base_model") else network
    routing = Routing(settings.parts(tasks))
    hosts = [(PrivateLora, *host) for host in _hosts(causal, adapter, settings)]
    if settings.head:
        hosts.append((PrivateHead, *_head(causal)))
    layers: dict[str, PrivateLora] = {}
    for kind, name, module in hosts:
        inputs, outputs = sides(module) or (0, 0)
        layers[name] = kind(
            inputs, outputs, settings.rank, scaling(settings), adapter.dropout, routing
        )
        attach(module, layers[name], adds_it_itself=hasattr(module, "base_layer"))
    parts = PrivateParts(layers, routing)
    initialise(parts, seed)
    return parts


def _hosts(
    causal: nn.Module, adapter: LoraAdapter, settings: PrivatePart
) -> Iterator[tuple[str, nn.Module]]:
    """The layers inside blocks that get private parts, by name."""
    if settings.layers == "none":
        return
    place = "model.adapter.private"
    modules = {
        name: module
        for name, module in causal.named_modules()
        if not any(part == "base_layer" or part.startswith("lora_") for part in name.split("."))
    }
    check_blocks(f"{place}.layers", settings.layers, modules)
    found = False
    for name, module in modules.items():
        if block_of(name) is None or not in_blocks(name, settings.layers):
            continue
        if not _is_target(name, module, adapter):
            continue
        if sides(module) is None:
            kind = type(getattr(module, "base_layer", module)).__name__
            raise ModelError(f"{place}: {name} is a {kind}; only linear layers can have it")
        if "experts" in name.split("."):
            text = "experts see tokens without their rows; name other `targets`"
            raise ModelError(f"{place}: {name}: {text}")
        found = True
        yield name, module
    if not found:
        raise ModelError(f"{place}: `targets` name no layer inside its blocks")


def _head(causal: Any) -> tuple[str, nn.Module]:
    """The output head and its name."""
    found = causal.get_output_embeddings()
    if found is not None and sides(found) is not None:
        for name, module in causal.named_modules():
            if module is found:
                return name, module
    kind = "none" if found is None else f"a {type(getattr(found, 'base_layer', found)).__name__}"
    raise ModelError(
        f"model.adapter.private.head: only a linear output head can have a private update, and the "
        f"model has {kind}; write `head: false`"
    )
