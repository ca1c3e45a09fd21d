"""Checkpoints that are whole or absent: written aside, flushed, then renamed."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from madrigal.errors import RunStopped
from madrigal.model.language_model import LanguageModel

_PREFIX = "step-"
_FILES = ("weights.safetensors", "optimiser.safetensors", "state.json")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All that a stage needs to go on: trained tensors, optimiser tensors, and small state."""

    step: int
    weights: dict[str, Tensor]
    moments: dict[str, Tensor]
    state: dict[str, Any]


def flush(path: Path) -> None:
    """Until the file or folder itself is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def disk_full_stops(what: str) -> Iterator[None]:
    """Turn a full disk into a stop of the run with its reason."""
    try:
        yield
    except OSError as problem:
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RunStopped(_disk_full(what)) from problem
        raise
    except Exception as problem:  # safetensors wraps the operating system's error
        if "No space left" in str(problem) or "os error 28" in str(problem):
            raise RunStopped(_disk_full(what)) from problem
        raise


def _disk_full(what: str) -> str:
    return (
        f"disk full while writing {what}; the last checkpoint is intact: "
        "make room and go on with --resume"
    )


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old or the new one, never a part."""
    aside = path.with_name(path.name + ".aside")
    try:
        with disk_full_stops(path.name):
            aside.write_text(text, encoding="utf-8")
            flush(aside)
            aside.replace(path)
            flush(path.parent)
    finally:
        aside.unlink(missing_ok=True)


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
