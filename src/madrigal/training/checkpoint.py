"""Checkpoints that are whole or absent: written aside, flushed, then renamed."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from madrigal.model.language_model import LanguageModel
from madrigal.training.files import disk_full_stops, flush

_PREFIX = "step-"
_FILES = ("weights.safetensors", "optimiser.safetensors", "state.json")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All that a stage needs to go on: trained tensors, optimiser tensors, and small state."""

    step: int
    weights: dict[str, Tensor]
    moments: dict[str, Tensor]
    state: dict[str, Any]


def optimiser_tensors(model: LanguageModel, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state by parameter name, so that its order does not matter."""
    return {
        f"{kind}/{name}": value.detach().contiguous()
        for name, parameter in model.trainable()
        for kind, value in optimiser.state.get(parameter, {}).items()
    }


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint folder whole; the last thing to happen is the rename."""
    final = folder / f"{_PREFIX}{checkpoint.step:06d}"
    aside = folder / f".aside-{checkpoint.step:06d}"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        with disk_full_stops(f"checkpoint {checkpoint.step}"):
            aside.mkdir(parents=True)
            save_file(checkpoint.weights, aside / "weights.safetensors")
            save_file(checkpoint.moments, aside / "optimiser.safetensors")
            body = {"step": checkpoint.step, "state": checkpoint.state}
            (aside / "state.json").write_text(json.dumps(body, indent=1), encoding="utf-8")
            hashes = {name: _digest(aside / name) for name in _FILES}
            (aside / "sha256.json").write_text(json.dumps(hashes, indent=1), encoding="utf-8")
            for path in aside.iterdir():
                flush(path)
            flush(aside)
            shutil.rmtree(final, ignore_errors=True)
            aside.rename(final)
            flush(folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return final


def _digest(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def checkpoint_steps(folder: Path) -> list[int]:
    """Steps that have a checkpoint, in order."""
    ends = (path.name.removeprefix(_PREFIX) for path in folder.glob(f"{_PREFIX}*"))
    return sorted(int(end) for end in ends if end.isdecimal())


def load_checkpoint(folder: Path, step: int) -> Checkpoint | None:
    """The checkpoint of a step, or None where it is damaged."""
    place = folder / f"{_PREFIX}{step:06d}"
    try:
        hashes = json.loads((place / "sha256.json").read_text(encoding="utf-8"))
        if any(_digest(place / name) != hashes[name] for name in _FILES):
            return None
        body = json.loads((place / "state.json").read_text(encoding="utf-8"))
        return Checkpoint(
            step=body["step"],
            weights=load_file(place / "weights.safetensors"),
            moments=load_file(place / "optimiser.safetensors"),
            state=body["state"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that is whole."""
    for step in reversed(checkpoint_steps(folder)):
        found = load_checkpoint(folder, step)
        if found is not None:
            return found
    return None


def prune(folder: Path, keep_last: int, also: set[int]) -> None:
    """Keep the last few and those named; remove the others and what a killed writer left."""
    steps = checkpoint_steps(folder)
    for step in steps[:-keep_last]:
        if step not in also:
            shutil.rmtree(folder / f"{_PREFIX}{step:06d}")
    for left in folder.glob(".aside-*"):
        shutil.rmtree(left, ignore_errors=True)


@torch.no_grad()
def restore(
    model: LanguageModel, optimiser: torch.optim.Optimizer | None, checkpoint: Checkpoint
) -> None:
    """Put tensors back where they came from; every trainable parameter must be there."""
    for name, parameter in model.trainable():
        parameter.copy_(checkpoint.weights[name])
    if optimiser is None:
        return
    optimiser.state.clear()
    held: dict[str, dict[str, Tensor]] = {}
    for key, value in checkpoint.moments.items():
        kind, name = key.split("/", 1)
        held.setdefault(name, {})[kind] = value
    for name, parameter in model.trainable():
        if name in held:
            # The fused kernel wants its step counter where the parameter is.
            moments = {kind: value.to(parameter.device) for kind, value in held[name].items()}
            optimiser.state[parameter] = moments


def snapshot(
    model: LanguageModel, optimiser: torch.optim.Optimizer, step: int, state: dict[str, Any]
) -> Checkpoint:
    """A checkpoint of things as they are now."""
    weights = {name: p.detach().contiguous() for name, p in model.trainable()}
    return Checkpoint(step, weights, optimiser_tensors(model, optimiser), state)


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors whose names begin so, by the rest of their names."""
    return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
