"""The shared weights that a run ended with, for training on from there."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

from madrigal.errors import ModelError, RunFolderError
from madrigal.model.adapter_files import read_updates
from madrigal.model.base import resolve_base
from madrigal.model.fold import lay_under
from madrigal.model.language_model import LanguageModel
from madrigal.model.score import is_of_reward_head
from madrigal.model.update import Update
from madrigal.pipeline.build import Built
from madrigal.pipeline.folder import DONE, recipe_of, stage_labels
from madrigal.pipeline.former import last_label
from madrigal.pipeline.past import KEPT, WEIGHTS, read_tensors
from madrigal.recipe.model import LoraAdapter, ModelSettings
from madrigal.recipe.retain import Interpolate, Merge
from madrigal.recipe.stage import StageSettings
from madrigal.training.checkpoint import load_checkpoint


@dataclass(frozen=True, slots=True)
class Start:
    """What the tensors that training changed were at the end of a stage, by name."""

    run: Path
    label: str
    weights: dict[str, Tensor]
    learned: tuple[str, ...]  # tasks that were trained until then
    folded: Mapping[str, Sequence[Update]] = field(default_factory=dict)  # by layer, see `fold`

    @property
    def short(self) -> str:
        """Eight letters that only these weights have."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.weights.items()):
            digest.update(name.encode() + tensor.contiguous().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:8]


def find_start(run: Path, built: Built, stage: str | None = None) -> Start:
    """The end of a run's last finished stage, or of the stage named, for a model of `built`.

    Raises:
        RunFolderError: no such stage, it has not finished, or its model is of another kind.
    """
    loaded = recipe_of(run)
    ours, theirs = built.recipe.model, loaded.recipe.model
    if _place(ours, built.root) != _place(theirs, loaded.root):
        raise RunFolderError(
            f"{run}: its base is {theirs.base}, the recipe's is {ours.base}; both must be the same"
        )
    label = last_label(run, stage)
    until = loaded.recipe.stages[: stage_labels(loaded.recipe).index(label) + 1]
    return Start(
        run,
        label,
        _weights(run, label, until[-1]),
        tuple(dict.fromkeys((*loaded.recipe.before(), *(t for s in until for t in s.learn)))),
        _folded(run, label, theirs.adapter),
    )


def _place(settings: ModelSettings, root: Path) -> str:
    return settings.base if settings.base == "new" else resolve_base(settings.base, root)


def _weights(run: Path, label: str, stage: StageSettings) -> dict[str, Tensor]:
    place = run / "stages" / label
    changed = next((k.kind for k in stage.retain if isinstance(k, Merge | Interpolate)), None)
    if changed is not None:
        return read_tensors(place / KEPT / WEIGHTS, changed)
    try:
        step = int(json.loads((place / DONE).read_text(encoding="utf-8"))["weights_of_step"])
    except (ValueError, KeyError, TypeError) as problem:
        raise RunFolderError(
            f"{place / DONE}: is damaged, so nobody knows which weights the stage ended with; "
            "take another run, or train this one anew"
        ) from problem
    found = load_checkpoint(place / "checkpoints", step)
    if found is None:
        raise RunFolderError(f"{place}: the checkpoint of step {step} is missing or damaged")
    return found.weights


def _folded(run: Path, label: str, adapter: object) -> dict[str, list[Update]]:
    """Adapters of stages before the last fresh one, where some were laid under it.

    They stand in front in the stage's adapter file, as `save_task_adapter` writes them.

    Raises:
        RunFolderError: the file is damaged.
    """
    folder = run / "stages" / label / "adapter"
    config = folder / "adapter_config.json"
    if not (isinstance(adapter, LoraAdapter) and config.is_file()):
        return {}
    try:
        rank = int(json.loads(config.read_text(encoding="utf-8"))["r"])
        several, rest = divmod(rank, adapter.rank)
        if rest:
            raise ValueError("a rank that is not a multiple of the recipe's")
        whole = read_updates(folder) if several > 1 else {}
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as problem:
        raise RunFolderError(
            f"{folder}: is damaged, so nobody knows the adapters of the earlier stages; take "
            "another run, or train this one anew"
        ) from problem
    return {
        name: [
            Update(a.contiguous(), b.contiguous())
            for a, b in zip(
                held.a.split(adapter.rank)[:-1], held.b.split(adapter.rank, 1)[:-1], strict=True
            )
        ]
        for name, held in whole.items()
    }


@torch.no_grad()
def begin_from(model: LanguageModel, start: Start) -> None:
    """Give the model's shared parameters their values, and private parts of tasks that have some;
    first what was laid under them, which must be done once only.

    Raises:
        RunFolderError: they are not the run's, by name or shape.
    """
    shared = dict(model.shared())
    _refuse_other_shapes(model, start)
    if start.folded:
        try:
            lay_under(model, start.folded)
        except ModelError as problem:
            raise RunFolderError(f"{start.run}: {problem}") from problem
    for name, parameter in model.trainable():
        held = start.weights.get(name)
        if name not in shared and held is not None and held.shape == parameter.shape:
            parameter.copy_(held)
    for name, parameter in shared.items():
        parameter.copy_(start.weights[name])


def _refuse_other_shapes(model: LanguageModel, start: Start) -> None:
    if start.weights.keys().isdisjoint(name for name, _ in model.trainable()):
        raise RunFolderError(
            f"{start.run}: none of its trained parameters is in this model; "
            "give both the same `model`"
        )
    here = {name for name, _ in model.trainable()}
    for name, held in start.weights.items():
        # Private parts and reward heads of tasks that are not here may stay behind.
        if name not in here and "private" not in name.split(".") and not is_of_reward_head(name):
            raise RunFolderError(
                f"{start.run}: its adapter does not fit the recipe's: {name} is {list(held.shape)} "
                "there, and not here; give both the same `model`"
            )
    for name, parameter in model.shared():
        held = start.weights.get(name)
        if held is None or held.shape != parameter.shape:
            found = "is not there" if held is None else f"is {list(held.shape)} there"
            raise RunFolderError(
                f"{start.run}: its adapter does not fit the recipe's: {name} {found}, "
                f"{list(parameter.shape)} here; give both the same `model`"
            )
