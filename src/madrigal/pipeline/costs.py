"""What keeping the past cost in a stage, beside what the stage cost: `retention.json`."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from madrigal.model.fold import Adapted, adapted
from madrigal.model.host import peak_memory_bytes
from madrigal.model.inspect import Size, embeds, model_size
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.build import Built
from madrigal.pipeline.past import Past
from madrigal.pipeline.recall import Recalled
from madrigal.pipeline.said import said
from madrigal.pipeline.structure import structure
from madrigal.recipe import retain
from madrigal.recipe.stage import StageSettings
from madrigal.training.files import write_whole
from madrigal.training.step import StepParts

RETENTION = "retention.json"
# Of EWC, a trained parameter and step: difference 1, product 1, multiply and add 2, dot product 2.
_EWC_OPERATIONS = 6


@dataclass(frozen=True, slots=True)
class Counts:
    """What a stage's steps went through, as its log says, in tokens."""

    steps: int
    own: int
    replayed: int
    asked: int  # of steps in which the teacher spoke: it reads all rows of a microbatch
    read: int = 0  # of what the model said itself, as it was drawn and by the teacher
    said: int = 0  # of the same rows, as they were trained on
    guarded: int = 0  # steps in which something was replayed

    @property
    def tokens(self) -> int:
        return self.own + self.replayed


def write_costs(
    built: Built,
    stage: StageSettings,
    parts: StepParts,
    recalled: Recalled,
    past: Past,
    folder: Path,
    learnt: "Learnt",
) -> None:
    """Write what the stage's retention computed and holds, once its weights are saved.

    Seconds of the steps are in steps.jsonl, those of keeping in kept/costs.json; `seconds` here are
    those of making what was kept ready.
    """
    model, teacher = parts.model, recalled.distillation
    asked = teacher.tasks if teacher else frozenset()
    counts = counted(folder / "steps.jsonl", frozenset(recalled.examples), asked)
    trained = sum(p.numel() for _, p in model.trainable())
    size = model_size(built.recipe.model, built.root, _learnt(built))
    built_in = structure(built.recipe, stage, parts, past, folder)
    body: dict[str, Any] = {
        "version": 1,
        "settings": {kept.kind: kept.model_dump() for kept in stage.retain}
        | {one.kind: dict(one.settings) for one in built_in},
        "steps": counts.steps,
        "tokens": {"own": counts.own, "replayed": counts.replayed},
        "replayed": {task: len(kept) for task, kept in recalled.examples.items()},
        "trained_parameters": learnt.parameters,
        "seconds": {kind: round(spent, 5) for kind, spent in recalled.seconds.items()},
        "memory_bytes": dict(recalled.bytes) | {one.kind: one.memory for one in built_in},
        "peak_memory_bytes": peak_memory_bytes(model.device),
        "inference_bytes": saved_bytes(folder),
        "inference_added_bytes": {one.kind: one.inference for one in built_in if one.inference},
    }
    if size is not None:
        work = flops(stage.retain, counts, size, trained, adapted(model), learnt.still)
        if stage.acting():
            work["answers"] = size.flops_per_scored_token() * said(folder).tokens
        each = {one.kind: one.flops * counts.guarded for one in built_in}
        body["flops"] = work | each
    write_whole(folder / RETENTION, json.dumps(body, indent=1) + "\n")


@dataclass(frozen=True, slots=True)
class Learnt:
    """Parameters that a stage trains, and those of matrices that it freezes."""

    parameters: int
    still: int


def learnt_of(model: LanguageModel) -> Learnt:
    """Of a model while a stage trains it."""
    held = (p for n, p in model.trainable() if id(p) in model.frozen and not embeds(n))
    return Learnt(
        parameters=sum(p.numel() for _, p in model.learning()),
        still=sum(p.numel() for p in held if p.dim() == 2),
    )


def _learnt(built: Built) -> list[str]:
    return [task for stage in built.recipe.stages for task in stage.learn]


def counted(steps: Path, replayed: Collection[str], asked: Collection[str]) -> Counts:
    """Tokens of the stage's own rows, of replayed ones, and of steps with rows of `asked`."""
    lines = [json.loads(x) for x in steps.read_text("utf-8").splitlines()] if steps.exists() else []
    every: list[Mapping[str, int]] = [line["tokens"] for line in lines]
    words: list[Mapping[str, int]] = [line.get("said_tokens", {}) for line in lines]
    again = sum(n for tokens in every for task, n in tokens.items() if task in replayed)
    total = sum(n for tokens in every for n in tokens.values())
    return Counts(
        steps=len(every),
        own=total - again,
        replayed=again,
        asked=sum(sum(one.values()) for one in every if any(t in asked for t in one)),
        read=sum(one.get("read", 0) for one in words),
        said=sum(one.get("trained", 0) for one in words),
        guarded=sum(any(t in replayed for t in one) for one in every),
    )


def flops(
    kept: Sequence[retain.RetentionSettings],
    counts: Counts,
    size: Size,
    trained: int,
    layers: Sequence[Adapted],
    still: int = 0,
) -> dict[str, float]:
    """Operations of the stage's own training (`own`), and what each kind added in its steps.

    With B the operations of a trained token and F those of a scored one (`model.inspect.Size`):
    replay B a replayed token; distillation F a token that the teacher reads; EWC 6 a trained
    parameter and step, also of frozen ones; O-LoRA 4 r R d + 2 r d a layer and step, for its A of
    r x d and R older rows; distillation on what the model says itself F a token of a row as it is
    drawn, F as the teacher reads it, and B as it is trained on. Each of the `still` parameters of
    frozen matrices takes 2 less a trained token: its gradient. Merging and interpolation add
    nothing to steps.
    """
    trained_token = size.flops_per_token() - 2.0 * still
    found = {"own": trained_token * counts.own}
    for one in kept:
        match one:
            case retain.Replay():
                found[one.kind] = trained_token * counts.replayed
            case retain.Distill(on="own"):
                found[one.kind] = (
                    size.flops_per_scored_token() * counts.read + trained_token * counts.said
                )
            case retain.Distill():
                found[one.kind] = size.flops_per_scored_token() * counts.asked
            case retain.Ewc():
                found[one.kind] = float(_EWC_OPERATIONS * trained * counts.steps)
            case retain.OLora():
                found[one.kind] = float(_overlap(layers) * counts.steps) if one.strength else 0.0
            case _:
                found[one.kind] = 0.0
    return found


def _overlap(layers: Sequence[Adapted]) -> int:
    """Operations of the overlap of new and older A matrices, and of its gradient."""
    shapes = [(*layer.now.shape, layer.before.shape[0]) for layer in layers]
    return sum(4 * r * older * d + 2 * r * d for r, d, older in shapes)


def saved_bytes(folder: Path) -> int:
    """Weights that a stage's result is served from, beside the base: of the adapter or adapters,
    or of the whole model."""
    names = ("adapter", "model", "adapters")
    files = [file for name in names for file in (folder / name).rglob("*.safetensors")]
    return sum(file.stat().st_size for file in files)
