"""The shared weights that a run ended with, for training on from there."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from madrigal.errors import RunFolderError
from madrigal.model.base import resolve_base
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.build import Built
from madrigal.pipeline.folder import stage_labels
from madrigal.pipeline.past import KEPT, WEIGHTS, read_tensors
from madrigal.pipeline.stage import DONE
from madrigal.pipeline.trained import recipe_of
from madrigal.recipe.model import LoraAdapter, ModelSettings
from madrigal.recipe.retain import Interpolate, Merge
from madrigal.recipe.schema import Recipe
from madrigal.recipe.stage import StageSettings
from madrigal.recipe.suggest import did_you_mean
from madrigal.training.checkpoint import load_checkpoint


@dataclass(frozen=True, slots=True)
class Start:
    """What the tensors that training changed were at the end of a stage, by name."""

    run: Path
    label: str
    weights: dict[str, Tensor]
    learned: tuple[str, ...]  # tasks that were trained until then

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
    labels = stage_labels(loaded.recipe)
    done = finished_stages(run, loaded.recipe)
    if not done:
        raise RunFolderError(f"{run}: no stage has finished; go on with `madrigal run --resume`")
    names = {name: label for label in done for name in (label, label.partition("-")[2])}
    if stage is not None and stage not in names:
        raise RunFolderError(f"{run}: no finished stage {stage!r}{did_you_mean(stage, names)}")
    label = names[stage] if stage is not None else done[-1]
    until = loaded.recipe.stages[: labels.index(label) + 1]
    _refuse_several(run, label, theirs.adapter)
    return Start(
        run,
        label,
        _weights(run, label, until[-1]),
        tuple(dict.fromkeys((*loaded.recipe.before(), *(t for s in until for t in s.learn)))),
    )


def finished_stages(run: Path, recipe: Recipe) -> list[str]:
    """Labels of the stages of a run that are over."""
    labels = stage_labels(recipe)
    return [label for label in labels if (run / "stages" / label / DONE).is_file()]


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


def _refuse_several(run: Path, label: str, adapter: object) -> None:
    """Refuse an adapter in which those of several stages were put together."""
    config = run / "stages" / label / "adapter" / "adapter_config.json"
    if not (isinstance(adapter, LoraAdapter) and config.is_file()):
        return
    rank = json.loads(config.read_text(encoding="utf-8"))["r"]
    if rank != adapter.rank:
        raise RunFolderError(
            f"{run}: its adapter of rank {rank} holds those of several stages, rank "
            f"{adapter.rank} each; only a run with one adapter can be trained on from"
        )


@torch.no_grad()
def begin_from(model: LanguageModel, start: Start) -> None:
    """Give the model's shared parameters their values, and private parts of tasks that have some.

    Raises:
        RunFolderError: they are not the run's, by name or shape.
    """
    shared = dict(model.shared())
    for name, parameter in model.trainable():
        held = start.weights.get(name)
        if name not in shared and held is not None and held.shape == parameter.shape:
            parameter.copy_(held)
    if start.weights.keys().isdisjoint(name for name, _ in model.trainable()):
        raise RunFolderError(
            f"{start.run}: none of its trained parameters is in this model; "
            "give both the same `model`"
        )
    for name, parameter in shared.items():
        held = start.weights.get(name)
        if held is None or held.shape != parameter.shape:
            found = "is not there" if held is None else f"is {list(held.shape)} there"
            raise RunFolderError(
                f"{start.run}: its adapter does not fit the recipe's: {name} {found}, "
                f"{list(parameter.shape)} here; give both the same `model`"
            )
        parameter.copy_(held)
