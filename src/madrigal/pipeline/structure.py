"""Remedies that are no `retain`: a balancer that guards replayed tasks, a part for each task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from madrigal.pipeline.past import KEPT, ROUTER, Past
from madrigal.pipeline.routed import part_of
from madrigal.recipe.model import LoraAdapter
from madrigal.recipe.schema import Recipe
from madrigal.recipe.stage import StageSettings
from madrigal.training.step import StepParts


@dataclass(frozen=True, slots=True)
class Structural:
    """What one such remedy holds while the stage trains, its operations in each step with replayed
    rows, and the bytes that it adds at inference."""

    kind: str
    settings: Mapping[str, object]
    memory: int
    flops: float = 0.0
    inference: int = 0


def structure(
    recipe: Recipe, stage: StageSettings, parts: StepParts, past: Past, folder: Path
) -> list[Structural]:
    """Those that are on in a stage, once its weights are saved."""
    found = [_guard(stage, parts)] if parts.guards and parts.split is not None else []
    others = _apart(recipe, stage, past)
    if others:
        found.append(_isolation(recipe, others, parts, folder))
    return found


def _guard(stage: StageSettings, parts: StepParts) -> Structural:
    """With R rows of gradients by task of P parameters each: 4 R P bytes, and 2 R^2 P operations a
    step for their products, 2 R P for the mix."""
    assert parts.split is not None
    rows, size = parts.split.ledger.matrix().shape
    operations = 2.0 * rows * size * (rows + 1)
    return Structural(parts.guards, stage.balance.model_dump(), 4 * rows * size, operations)


def _apart(recipe: Recipe, stage: StageSettings, past: Past) -> dict[str, str]:
    """Private parts that earlier stages taught and this one leaves alone, each with a task."""
    own = set(part_of(recipe, recipe.scored(stage.learn)).values())
    taught = part_of(recipe, [*past.taught]).items()
    return {part: task for task, part in taught if part and part not in own}


def _isolation(
    recipe: Recipe, others: Mapping[str, str], parts: StepParts, folder: Path
) -> Structural:
    """At inference their weights stand beside the stage's own, and the router if there is one."""
    adapter, private = recipe.model.adapter, parts.model.private
    assert isinstance(adapter, LoraAdapter)
    assert adapter.private is not None
    assert private is not None
    held = [p for task in others.values() for p in private.of(task)]
    return Structural(
        kind="isolation",
        settings=adapter.private.model_dump(),
        memory=sum(p.numel() * p.element_size() for p in held),
        inference=_weights([folder / "adapters" / task for task in others.values()])
        + _weights([folder / KEPT / ROUTER]),
    )


def _weights(places: Sequence[Path]) -> int:
    """Bytes of weight files, and of those in folders."""
    files = [file for place in places for file in (place.rglob("*.safetensors"), [place])]
    every = {file for some in files for file in some if file.is_file()}
    return sum(file.stat().st_size for file in every)
