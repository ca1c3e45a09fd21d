"""A task's whole adapter, shared part and private part, as one PEFT adapter on the disk."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from madrigal.model.base import BUNDLED
from madrigal.model.language_model import LanguageModel
from madrigal.model.update import Update

_INSIDE, _A, _B = "base_model.model.", ".lora_A.weight", ".lora_B.weight"


def save_task_adapter(
    model: LanguageModel, task: str, folder: Path, score: Tensor | None = None
) -> None:
    """Write what adapts the base to one task as a LoRA adapter that peft loads alone.

    With the shared update s B A and the task's own s_t B_t A_t, the one of the file is

        [s B, s_t B_t] [A; A_t]

    of rank r + r_t, with lora_alpha equal to it, so that peft's factor is 1. Adapters of earlier
    stages that were folded into the base stand in front. Layers that have less than others are
    filled up with zeros: one rank everywhere is what servers can read. With the weight of a reward
    head it adapts a model for sequence classification, which has no output head.
    """
    from peft import LoraConfig
    from safetensors.torch import save_file

    causal: Any = model.causal
    trunk = f"{causal.base_model_prefix}."
    updates = {
        name: _joined(parts)
        for name, parts in _parts(model, task)
        if score is None or name.startswith(trunk)
    }
    rank = max(update.a.shape[0] for update in updates.values())
    tensors = {}
    for name, update in updates.items():
        whole = update.padded(rank)
        tensors[f"{_INSIDE}{name}{_A}"] = whole.a.contiguous().cpu()
        tensors[f"{_INSIDE}{name}{_B}"] = whole.b.contiguous().cpu()
    if score is not None:
        tensors["base_model.model.score.weight"] = score
    transposed = any(type(m).__name__ == "Conv1D" for m in causal.modules())  # GPT-2
    config = LoraConfig(
        r=rank,
        lora_alpha=rank,
        target_modules=_targets(causal, updates),
        task_type="CAUSAL_LM" if score is None else "SEQ_CLS",
        modules_to_save=None if score is None else ["score"],
        base_model_name_or_path=getattr(causal, "name_or_path", None),
        fan_in_fan_out=transposed,
        inference_mode=True,
    )
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(str(folder))
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    name_bundled_base(folder)


def read_updates(folder: Path) -> dict[str, Update]:
    """The update of every layer, by the layer's name, of what `save_task_adapter` wrote.

    Raises:
        OSError, SafetensorError, KeyError: it is gone or damaged.
    """
    from safetensors.torch import load_file

    held = load_file(folder / "adapter_model.safetensors")
    return {
        key.removeprefix(_INSIDE).removesuffix(_A): Update(a, held[key.removesuffix(_A) + _B])
        for key, a in held.items()
        if key.endswith(_A)
    }


def read_merged(folder: Path) -> dict[str, Update]:
    """What any LoRA adapter of ours adds to each linear layer, its scale alpha / rank included.

    Raises:
        OSError, SafetensorError, KeyError, ValueError: it is gone or damaged, or it changes more
            than linear layers.
    """
    from safetensors.torch import load_file

    held = load_file(folder / "adapter_model.safetensors")
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    scale = config["lora_alpha"] / config["r"]
    pairs = {key.removesuffix(_A) for key in held if key.endswith(_A)}
    other = sorted(key for key in held if key.removesuffix(_A).removesuffix(_B) not in pairs)
    if other:
        raise ValueError(f"{other[0]} is not of a linear layer")
    return {
        key.removeprefix(_INSIDE): Update(held[key + _A].float(), held[key + _B].float() * scale)
        for key in sorted(pairs)
    }


def write_merged(updates: Mapping[str, Update], like: Path, folder: Path) -> None:
    """Write updates as an adapter for the base of another one, `like`, whose other files it gets.

    Its rank is the largest of the updates', and lora_alpha equal to it.
    """
    from safetensors.torch import save_file

    shutil.copytree(like, folder)
    rank = max(update.a.shape[0] for update in updates.values())
    tensors = {}
    for name, update in updates.items():
        whole = update.padded(rank)
        tensors[f"{_INSIDE}{name}{_A}"] = whole.a.contiguous()
        tensors[f"{_INSIDE}{name}{_B}"] = whole.b.contiguous()
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    file = folder / "adapter_config.json"
    config = json.loads(file.read_text(encoding="utf-8")) | {"r": rank, "lora_alpha": rank}
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def name_bundled_base(folder: Path) -> None:
    """Call a bundled base by its name in the files of the adapter in `folder`.

    peft writes down where the base was found, which on another machine is nowhere.
    """
    for file in (folder / "adapter_config.json", folder / "README.md"):
        if not file.is_file():
            continue
        text = file.read_text(encoding="utf-8")
        for base, place in BUNDLED.items():
            text = text.replace(str(place), base)
        file.write_text(text, encoding="utf-8")


@torch.no_grad()
def _parts(model: LanguageModel, task: str) -> Iterator[tuple[str, list[Update]]]:
    """The shared and the private update of every adapted layer, by the layer's name."""
    from madrigal.model.lora import LeanLinear

    private = model.private
    for name, module in model.causal.named_modules():
        parts = []
        if isinstance(module, LeanLinear):
            (active,) = module.active_adapters
            adapter: Any = module
            a, b = adapter.lora_A[active].weight, adapter.lora_B[active].weight
            parts += model.folded.get(name, [])
            parts.append(Update(a.float(), b.float() * module.scaling[active]))
        if private is not None and name in private.layers and task in private.tasks:
            layer = private.layers[name]
            a, b = layer.pair(private.routing.part_of[task])
            parts.append(Update(a.float(), b.float() * layer.scaling))
        if parts:
            yield name, parts


def _joined(parts: list[Update]) -> Update:
    return Update(torch.cat([p.a for p in parts]), torch.cat([p.b for p in parts], dim=1))


def _targets(causal: Any, updates: Mapping[str, object]) -> list[str]:
    """Last parts of the layers' names where these mean no other layer; else whole names."""
    ends = {name.rsplit(".", 1)[-1] for name in updates}
    meant = {n for n, _ in causal.named_modules() if n.rsplit(".", 1)[-1] in ends}
    return sorted(ends if meant == set(updates) else updates)
