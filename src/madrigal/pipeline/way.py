"""The straight way from the model that a stage began with to the one it ended with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from madrigal.errors import RunFolderError
from madrigal.model.adapter_files import read_merged, write_merged
from madrigal.model.language_model import LanguageModel
from madrigal.model.load import load_model
from madrigal.model.update import Update
from madrigal.pipeline.folder import recipe_of, stage_labels
from madrigal.pipeline.trained import Trained, find_trained, load_trained
from madrigal.retention import merge


@dataclass(frozen=True, slots=True)
class Way:
    """Both ends of a stage, for one task's model. Without `before` it began at the base; `root` is
    where the relative path of that base starts."""

    before: Trained | None
    after: Trained
    root: Path

    @property
    def places(self) -> tuple[Path | None, Path]:
        """The folders of both ends; tasks with the same ones share a model."""
        return (self.before.folder if self.before else None), self.after.folder


def find_way(run: Path, label: str, task: str | None = None) -> Way:
    """The ends of the stage `label`, of the model of a task where each has its own.

    Raises:
        RunFolderError: one of the ends is not there.
    """
    loaded = recipe_of(run)
    number, start = stage_labels(loaded.recipe).index(label), loaded.recipe.start_from
    after = find_trained(run, label, task)
    if number:
        before = find_trained(run, stage_labels(loaded.recipe)[number - 1], task)
    elif start is not None:
        former = loaded.root / start.run
        known = task if task in recipe_of(former).recipe.tasks else None
        before = find_trained(former, start.stage, known)
    else:
        before = None
    return Way(before, after, loaded.root)


def point(way: Way, share: float, folder: Path) -> Trained:
    """The model that lies `share` of the way; written into `folder`, in the format of the stage's
    result, unless it is one of the ends, which are there.

        theta(share) = (1 - share) theta_before + share theta_after

    of the merged weights: a LoRA adapter is written with the summed rank of both ends' (see
    `retention.merge.between`), other models entry by entry. As model averaging in Wortsman et al.
    (2022) and Lin et al. (2024).

    Raises:
        RunFolderError: an end is damaged, or the ends are of different shapes.
    """
    if share == 1:
        return way.after
    if share == 0 and way.before is not None:
        return way.before
    if way.after.is_adapter:
        _write_adapter(way, share, folder)
    else:
        _write_whole(way, share, folder)
    return Trained(way.after.recipe, way.after.label, folder)


def _write_adapter(way: Way, share: float, folder: Path) -> None:
    start = {} if way.before is None else _updates(way.before)
    end = _updates(way.after)
    for name in start.keys() & end.keys():
        if start[name].b.shape[0] != end[name].b.shape[0]:
            raise RunFolderError(f"{way.after.folder}: {name} is of another shape than before")
    write_merged(merge.between(start, end, 1 - share), way.after.folder, folder)


def _updates(trained: Trained) -> Mapping[str, Update]:
    from safetensors import SafetensorError

    try:
        return read_merged(trained.folder)
    except (OSError, SafetensorError, KeyError, ValueError) as problem:
        raise RunFolderError(
            f"{trained.folder}: no adapter of linear layers can be read ({problem}), so nothing "
            "lies between it and another"
        ) from problem


@torch.no_grad()
def _write_whole(way: Way, share: float, folder: Path) -> None:
    model, _ = load_trained(way.after)
    start = _parameters(_begun_with(way, model))
    end = _parameters(model)
    if {n: t.shape for n, t in start.items()} != {n: t.shape for n, t in end.items()}:
        raise RunFolderError(
            f"{way.after.folder}: its parameters are not those that the stage began with, so "
            "nothing lies between them"
        )
    for name, found in merge.interpolate(start, end, 1 - share).items():
        end[name].copy_(found)
    network: Any = model.network
    network.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)


def _begun_with(way: Way, after: LanguageModel) -> LanguageModel:
    if way.before is not None:
        return load_trained(way.before)[0]
    recipe = way.after.recipe
    return load_model(recipe.model, way.root, recipe.seed, after.tokenizer)


def _parameters(model: LanguageModel) -> dict[str, Tensor]:
    return {name: p.detach() for name, p in model.causal.named_parameters()}
