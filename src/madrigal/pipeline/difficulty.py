"""What a curriculum by the loss of the base goes by: measured once a stage, kept on the disk."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from madrigal.evaluation.perplexity import row_nats
from madrigal.mixture import Mixture
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.build import Built, Losses
from madrigal.pipeline.watch import Screen
from madrigal.recipe.stage import StageSettings
from madrigal.tasks.encoded import Example
from madrigal.training.files import write_whole
from madrigal.training.processes import Processes

FILE = "difficulty.json"
VERSION = 1


def scheduled(
    built: Built,
    stage: StageSettings,
    model: LanguageModel,
    folder: Path,
    screen: Screen,
    processes: Processes,
) -> Mixture:
    """The schedule of a stage, with what its curriculum needs measured.

    `folder` is that of the stage in the joint run, and `model` as it is when this begins. What the
    folder holds for the same examples is taken as it is, so that a resumed run goes on with the
    same order, and single-task runs follow that of the joint one.
    """
    if not stage.goes_by_loss():
        return built.source(stage)
    held = processes.from_first(_read(folder / FILE, built, stage) if processes.first else None)
    if held is None:
        held = processes.from_first(_measure(built, stage, model, screen))
        if processes.first:
            folder.mkdir(parents=True, exist_ok=True)
            _write(folder / FILE, built, stage, held)
    return built.source(stage, held)


def example_losses(
    model: LanguageModel,
    task: str,
    examples: Sequence[Example],
    batch_tokens: int,
    on_progress: Callable[[int, int], None],
) -> Float[np.ndarray, " n"]:
    """Nats per trained token of each example, without dropout; 0 where nothing is trained."""
    rows = [row for example in examples for row in example]
    with model.routed(task):
        nats = iter(row_nats(model, rows, batch_tokens, on_progress))
    totals = [sum(next(nats) for _ in example) for example in examples]
    tokens = [max(1, sum(row.answer_tokens for row in example)) for example in examples]
    return np.array(totals) / np.array(tokens)


def _measure(
    built: Built, stage: StageSettings, model: LanguageModel, screen: Screen
) -> dict[str, Float[np.ndarray, " n"]]:
    # Every process does all of it: with a sharded base no one could go through it alone.
    total = sum(len(example) for name in stage.learn for example in built.examples[name])
    found: dict[str, Float[np.ndarray, " n"]] = {}
    training = model.network.training
    model.network.eval()
    with (
        screen.bar(f"difficulty for {stage.name}", total) as (moved, remark),
        torch.no_grad(),
    ):
        done = 0
        for name in stage.learn:
            remark(name)
            found[name] = example_losses(
                model,
                name,
                built.examples[name],
                built.recipe.evaluate.batch_tokens,
                lambda seen, _, before=done: moved(before + seen, total),
            )
            done += sum(len(example) for example in built.examples[name])
    model.network.train(training)
    return found


def _examples_sha256(built: Built, name: str) -> str:
    """Hash of the tokens that are measured, and of which of them count."""
    digest = hashlib.sha256()
    for row in (row for example in built.examples[name] for row in example):
        digest.update(np.int64(row.length).tobytes())
        digest.update(row.tokens.astype(np.int64).tobytes())
        digest.update(row.trained.tobytes())
    return digest.hexdigest()


def _read(path: Path, built: Built, stage: StageSettings) -> Losses | None:
    """What was measured, where it was of these examples; None otherwise."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        held = {name: body["tasks"][name] for name in stage.learn}
        if body["version"] != VERSION:
            return None
        if any(held[n]["examples_sha256"] != _examples_sha256(built, n) for n in held):
            return None
        return {name: np.array(held[name]["nats_per_token"], dtype=float) for name in held}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, built: Built, stage: StageSettings, losses: Losses) -> None:
    tasks = {
        name: {
            "examples_sha256": _examples_sha256(built, name),
            "nats_per_token": losses[name].tolist(),
        }
        for name in stage.learn
    }
    write_whole(path, json.dumps({"version": VERSION, "tasks": tasks}) + "\n")
