"""What made a run what it is: versions, hashes, hardware, time. Written first, closed last."""

import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from madrigal.errors import RunFolderError
from madrigal.model.base import resolve_base
from madrigal.model.host import peak_memory_bytes
from madrigal.model.language_model import LanguageModel
from madrigal.model.shards import held_bytes
from madrigal.pipeline.build import Built
from madrigal.pipeline.folder import RunFolder, stage_label
from madrigal.pipeline.said import said
from madrigal.tasks.encoded import cut
from madrigal.training.processes import Processes

VERSION = 1
# Never the whole environment: it may hold secrets.
_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
    "CUBLAS_WORKSPACE_CONFIG",
)
_PACKAGES = (
    "torch", "transformers", "tokenizers", "peft", "accelerate", "safetensors", "datasets",
    "numpy", "scikit-learn", "sacrebleu", "rouge-score", "pydantic", "jinja2",
)  # fmt: skip


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _git(*arguments: str) -> str:
    here = Path(__file__).resolve().parent
    try:
        done = subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _code() -> dict[str, Any]:
    changes = _git("status", "--porcelain", "--", ".")
    return {
        "version": metadata.version("madrigal"),
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(changes),
        "diff_sha256": hashlib.sha256(_git("diff", "HEAD", "--", ".").encode()).hexdigest(),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()


def _hardware(processes: Processes) -> dict[str, Any]:
    accelerators = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "accelerators": accelerators,
        "processes": processes.count,
    }


def _environment() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
    }


def _records_sha256(built: Built, task: str) -> str:
    """Hash of the processed records of every split, in order."""
    digest = hashlib.sha256()
    for split, records in sorted(built.tasks[task].splits.items()):
        digest.update(split.encode())
        for record in records:
            digest.update(record.key.encode())
    return digest.hexdigest()


def _data(built: Built) -> dict[str, Any]:
    return {
        name: {
            "records_sha256": _records_sha256(built, name),
            "files": {f.path: {"bytes": f.bytes, "sha256": f.sha256} for f in task.files},
        }
        for name, task in built.tasks.items()
    }


def _model(built: Built) -> dict[str, Any]:
    settings = built.recipe.model
    if settings.base == "new":
        return {"base": "new"}
    place = Path(resolve_base(settings.base, built.root))
    files = sorted(place.glob("*")) if place.is_dir() else []
    hashes = {p.name: _sha256(p) for p in files if p.is_file()}
    return {"base": settings.base, "sha256": hashes, "revision": settings.revision}


def _shares(built: Built) -> dict[str, Any]:
    shares = {}
    for number, stage in enumerate(built.recipe.stages, 1):
        source = built.source(stage)
        asked, achieved = source.asked_shares(), source.achieved()
        label = stage_label(number, stage.name)
        if stage.goes_by_loss():  # what is then achieved is not known before the stage begins
            shares[label] = {task: {"asked": asked[task]} for task in achieved}
            continue
        shares[label] = {
            task: {
                "asked": asked[task],
                "achieved_examples": got.share_of_examples,
                "achieved_tokens": got.share_of_tokens,
                "epochs": got.epochs,
            }
            for task, got in achieved.items()
        }
    return shares


def refuse_changed_data(folder: RunFolder, built: Built) -> None:
    """A run goes on with the data that it began with.

    Raises:
        RunFolderError: the records of some task are others than the manifest says.
    """
    if not folder.manifest.exists():
        return
    began = json.loads(folder.manifest.read_text(encoding="utf-8"))["data"]
    changed = [
        name
        for name in built.tasks
        if began.get(name, {}).get("records_sha256") != _records_sha256(built, name)
    ]
    if changed:
        raise RunFolderError(
            f"{folder.path}: the data of task '{changed[0]}' changed since this run began; "
            "put the old data back, or choose another --out"
        )


def _warnings(built: Built) -> list[str]:
    """What a reader of the scores should know: prompts that were cut to fit the context."""
    found = []
    for name, examples in built.examples.items():
        lost = cut(examples)
        if lost:
            found.append(
                f"{name}: {len(lost)} training prompts lost a part, {sum(lost)} tokens, to "
                f"fit the context of {built.coder.context}"
            )
    return found


class Manifest:
    """The manifest of a run that is going on. `note` functions add; `close` ends it."""

    def __init__(self, folder: RunFolder, built: Built, processes: Processes) -> None:
        self._folder = folder
        self._first = processes.first
        self._built = built
        before = folder.manifest
        old = json.loads(before.read_text(encoding="utf-8")) if before.exists() else {}
        recipe_text = folder.recipe.read_bytes() if folder.recipe.exists() else b""
        self._body: dict[str, Any] = {
            "version": VERSION,
            "madrigal": metadata.version("madrigal"),
            "name": built.recipe.name,
            "command": shlex.join(["madrigal", *sys.argv[1:]]),
            "started": old.get("started", _now()),
            "finished": None,
            "status": "running",
            "seed": built.recipe.seed,
            "determinism": built.recipe.determinism,
            "root": os.path.relpath(built.root, folder.path),  # relative paths of data start here
            "recipe_sha256": hashlib.sha256(recipe_text).hexdigest(),
            "code": _code(),
            "data": _data(built),
            "model": _model(built),
            "environment": _environment(),
            "hardware": _hardware(processes),
            "timings": old.get("timings", {}),
            "shares": _shares(built),
            "resumed": [*old.get("resumed", []), *([_now()] if old else [])],
            "warnings": _warnings(built),
        }
        self._write()

    def _write(self) -> None:
        if self._first:
            self._folder.write_json(self._folder.manifest, self._body)

    def note_model(self, model: LanguageModel) -> None:
        """Counts and number format, once a model is loaded."""
        every, trainable = model.parameter_counts()
        self._body["model"] |= {
            "parameters": every,
            "trainable": trainable,
            "bytes_held": held_bytes(model.network),  # by the first process, between passes
            "context": model.context,
            "precision": str(model.precision).removeprefix("torch."),
            "device": str(model.device),
        }
        self._write()

    def timed(self, phase: str, began: float) -> None:
        """Add the seconds since `began` (time.perf_counter) to a phase, over all resumes."""
        timings = self._body["timings"]
        timings[phase] = round(timings.get(phase, 0.0) + time.perf_counter() - began, 2)
        self._write()

    def close(self, status: str, model: LanguageModel | None) -> None:
        """How it ended: finished, interrupted, or stopped with its reason."""
        self._body["status"] = status
        self._body["finished"] = _now()
        if model is not None:
            self._body["peak_memory_bytes"] = peak_memory_bytes(model.device)
        trained, answered = self._tokens()
        parameters = self._body["model"].get("parameters", 0)
        # Forward 2, backward 4 operations a parameter and token: an estimate, without attention.
        self._body["tokens"] = trained | answered
        self._body["flops"] = {k: 6 * parameters * n for k, n in trained.items()}
        self._body["flops"] |= {k: 2 * parameters * n for k, n in answered.items()}
        self._write()

    def _tokens(self) -> tuple[dict[str, int], dict[str, int]]:
        """By stage, those that were trained on, and those that its own answers went through."""
        counts: dict[str, int] = {}
        answers: dict[str, int] = {}
        for steps in sorted(self._folder.path.glob("stages/*/steps.jsonl")):
            lines = steps.read_text(encoding="utf-8").splitlines()
            counts[steps.parent.name] = sum(sum(json.loads(x)["tokens"].values()) for x in lines)
            if count := said(steps.parent).tokens:
                answers[f"{steps.parent.name}, own answers"] = count
        return counts, answers
