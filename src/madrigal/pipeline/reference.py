"""The reference of preference objectives: asked once, kept on the disk by content."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from madrigal.errors import RunFolderError
from madrigal.model.language_model import LanguageModel
from madrigal.model.score import is_of_reward_head
from madrigal.objectives import build_objective
from madrigal.pipeline.build import Built
from madrigal.pipeline.parts import shares_prompts
from madrigal.pipeline.watch import Screen
from madrigal.recipe.stage import StageSettings
from madrigal.tasks.encoded import Encoded, Example
from madrigal.training.processes import Processes
from madrigal.training.reference import Asked, answer_logps

VERSION = "1"
LOGPS = "logps"


def cache_folder() -> Path:
    """Where references are kept: `MADRIGAL_CACHE`, or the user's folder for caches."""
    own = os.environ.get("MADRIGAL_CACHE")
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return (Path(own) if own else Path(home) / "madrigal") / "reference"


@dataclass(frozen=True, slots=True)
class Reference:
    """The model as it is before a stage, asked about the answers that its tasks learn from.

    Where the adapter does nothing yet it is the base, whatever the adapter's seed and rank, so that
    runs share what was computed.
    """

    built: Built
    stage: StageSettings
    model: LanguageModel
    screen: Screen
    processes: Processes

    def of(
        self, examples: Mapping[str, Sequence[Example]], tasks: Sequence[str]
    ) -> dict[str, Sequence[Example]]:
        """All examples; those of `tasks` whose objective asks with their `judged.reference`.

        Raises:
            RunFolderError: the file of another model, or a damaged one, stands in the cache.
        """
        return {**examples, **{task: self.known(task, examples[task]) for task in tasks}}

    def known(self, task: str, examples: Sequence[Example]) -> Sequence[Example]:
        """The same of one task."""
        settings = self.stage.remembered_by(task)  # answers of its own are asked about in the step
        if "reference" not in build_objective(settings, self.built.tasks[task]).needs:
            return examples
        values = iter(self._logps(task, examples).tolist())
        return [tuple(_noted(row, next(values)) for row in example) for example in examples]

    def _logps(self, task: str, examples: Sequence[Example]) -> Float[np.ndarray, " N"]:
        model, first = self.model, self.processes.first
        asked = Asked(
            model=model,
            microbatch_tokens=self.stage.batch.microbatch_tokens,
            pad=self.built.coder.pad,
            processes=self.processes,
            share_prompts=shares_prompts(self.built, self.stage, model),
        )
        if model.shards is not None:  # no process has the weights that a file would be known by
            return self._asked(asked, task, examples)
        path, weights, data = kept_at(asked, task, examples)
        held = self.processes.from_first(_read(path, weights, data) if first else None)
        if held is None:
            held = self._asked(asked, task, examples)
            if first:
                _write(path, held, weights, data)
        return held

    def _asked(
        self, asked: Asked, task: str, examples: Sequence[Example]
    ) -> Float[np.ndarray, " N"]:
        with self.screen.bar(f"reference for {task}", len(examples)) as (moved, _):
            return np.concatenate(answer_logps(asked, task, examples, moved))


def kept_at(asked: Asked, task: str, examples: Sequence[Example]) -> tuple[Path, str, str]:
    """The file of what a model is asked about examples, and the hashes of model and examples.

    All that changes a value, if by rounding alone, names another file: so a run gives the same with
    and without what runs on another device, or in another number format, have left.
    """
    model = asked.model
    weights, data = fingerprint(model), content(examples)
    about = [
        task if model.private is not None else "",
        model.device.type,
        str(model.precision),
        asked.microbatch_tokens,
        asked.share_prompts,
        asked.processes.count,
    ]
    key = json.dumps([VERSION, weights, data, *about])
    name = f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.safetensors"
    return cache_folder() / name, weights, data


def _noted(row: Encoded, value: float) -> Encoded:
    assert row.judged is not None, "a preference objective was given rows that nobody judged"
    return replace(row, judged=replace(row.judged, reference=value))


def fingerprint(model: LanguageModel) -> str:
    """Hash of a model's weights, by name, and of what else its answers follow from."""
    digest = hashlib.sha256(json.dumps(_config(model), sort_keys=True, default=str).encode())
    silent = _silent_adapter(model)
    for name, tensor in sorted(model.network.state_dict().items()):
        # Reward heads say nothing of what is likely.
        if not (is_of_reward_head(name) or (silent and "lora_" in name)):
            digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
            plain = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(plain.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _config(model: LanguageModel) -> dict[str, Any]:
    causal: Any = model.causal
    held = dict(causal.config.to_diff_dict())
    # Where the weights came from is no part of what they answer.
    for name in ("_name_or_path", "transformers_version"):
        held.pop(name, None)
    return held


def _silent_adapter(model: LanguageModel) -> bool:
    """Whether the model has an adapter that does nothing yet: its updates are exactly zero."""
    named = [(n, p) for n, p in model.network.named_parameters() if not is_of_reward_head(n)]
    updates = [p for name, p in named if ".lora_B." in name or ".lora_embedding_B." in name]
    others = any(p.requires_grad and "lora_" not in name for name, p in named)
    return bool(updates) and not others and not any(bool(p.any()) for p in updates)


def content(examples: Sequence[Example]) -> str:
    """Hash of the tokens of examples, and of which of them count."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(np.int64(len(example)).tobytes())
        for row in example:
            digest.update(np.int64(row.length).tobytes())
            digest.update(row.tokens.astype(np.int64).tobytes())
            digest.update(row.trained.tobytes())
    return digest.hexdigest()


def _read(path: Path, model: str, data: str) -> Float[np.ndarray, " N"] | None:
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            held = file.get_tensor(LOGPS).numpy()
    except (OSError, SafetensorError, KeyError) as problem:
        raise RunFolderError(
            f"{path}: kept reference log-probabilities are damaged; delete the file"
        ) from problem
    if about.get("model") != model or about.get("data") != data:
        what = "another model" if about.get("model") != model else "other examples"
        raise RunFolderError(
            f"{path}: holds reference log-probabilities of {what}; delete the file, and they are "
            "computed again"
        )
    return held


def _write(path: Path, held: Float[np.ndarray, " N"], model: str, data: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        save_file({LOGPS: torch.from_numpy(held)}, aside, {"model": model, "data": data})
        aside.replace(path)
    except OSError:
        return  # a home that cannot be written to: computed again next time
