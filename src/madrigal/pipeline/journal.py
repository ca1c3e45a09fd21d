"""What a stage tells, as JSON lines: the truth that report and trackers are made from."""

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from madrigal.gradients.conflict import Angles, Conflict
from madrigal.training.files import disk_full_stops, write_whole
from madrigal.training.record import (
    Event,
    Looked,
    Rollout,
    Sampled,
    StepRecord,
    Validation,
    Watched,
)

# By task, `chosen` and `rejected` in nats an answer, as the last validation found them.
Preferred = Callable[[], Mapping[str, Mapping[str, float]]]

FILES = ("steps.jsonl", "validation.jsonl", "events.jsonl", "rollouts.jsonl", "looks.jsonl")


def forget_after(folder: Path, step: int) -> None:
    """Drop the lines of steps after `step`, which will be taken again, and any torn last line."""
    for name in FILES:
        path = folder / name
        if not path.exists():
            continue
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [x for x in lines if x.endswith("\n") and json.loads(x)["step"] <= step]
        write_whole(path, "".join(kept))


def _number(value: float) -> float | None:
    return round(value, 9) if math.isfinite(value) else None


def _step_line(record: StepRecord) -> dict[str, Any]:
    line: dict[str, Any] = {
        "step": record.step,
        "loss": {task: _number(x) for task, x in record.loss.items()},
        "weight": {task: _number(x) for task, x in record.weight.items()},
        "tokens": dict(record.tokens),
        "rows": dict(record.rows),
        "padded_tokens": record.padded_tokens,
        "grad_norm": _number(record.grad_norm),
        "lr": record.learning_rate,
        "seconds": round(record.seconds, 4),
    }
    if record.conflict is not None:
        line["conflict"] = _conflict(record.conflict)
    if record.look_ahead:
        line["look_ahead"] = {pair: _short(x) for pair, x in record.look_ahead.items()}
    if record.terms:
        line["terms"] = {name: _number(x) for name, x in record.terms.items()}
    if record.retention_seconds:
        line["retention_seconds"] = {n: round(x, 5) for n, x in record.retention_seconds.items()}
    if record.said_tokens:
        line["said_tokens"] = dict(record.said_tokens)
    if record.skipped:
        line["skipped"] = record.skipped
    return line


def _conflict(found: Conflict) -> dict[str, Any]:
    line = {"rate": _number(found.rate), **_angles(found.angles), "metric": found.metric}
    if found.layers:
        line["layers"] = {name: _angles(part) for name, part in found.layers.items()}
    return line


def _angles(found: Angles) -> dict[str, Any]:
    return {
        "cosine": {pair: _number(x) for pair, x in found.cosine.items()},
        "norm": {task: _short(x) for task, x in found.norm.items()},
        "signal": {task: _short(x) for task, x in found.signal.items()},
    }


def _short(value: float) -> float | None:
    """Six significant digits: these may be of any size."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _rollout_line(seen: Rollout) -> dict[str, Any]:
    bad = {"unrewarded": [asdict(one) for one in seen.unrewarded]} if seen.unrewarded else {}
    return {
        "step": seen.step,
        "task": seen.task,
        "means": {name: _short(x) for name, x in seen.means.items()},
        "seconds": {name: round(x, 4) for name, x in seen.seconds.items()},
        "tokens": dict(seen.tokens),
        "samples": [_sampled(one) for one in seen.samples],
        **bad,
    }


def _look_line(seen: Looked) -> dict[str, Any]:
    return {
        "step": seen.step,
        "task": seen.task,
        "prompts": seen.prompts,
        "means": {name: _short(x) for name, x in seen.means.items()},
        "seconds": round(seen.seconds, 4),
        "tokens": dict(seen.tokens),
        "samples": [_sampled(one) for one in seen.samples],
    }


def _sampled(one: Sampled) -> dict[str, Any]:
    return asdict(one) | {"reward": _short(one.reward), "divergence": _short(one.divergence)}


class Journal:
    """Appends each observed record to its file and flushes it, so that a killed run loses none."""

    def __init__(self, folder: Path, preferred: Preferred | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._preferred = preferred

    def __call__(self, seen: Watched) -> None:
        if isinstance(seen, StepRecord):
            self._append("steps.jsonl", _step_line(seen))
        elif isinstance(seen, Event):
            body = {"step": seen.step, "kind": seen.kind, "text": seen.text}
            self._append("events.jsonl", body)
        elif isinstance(seen, Rollout):
            self._append("rollouts.jsonl", _rollout_line(seen))
        elif isinstance(seen, Looked):
            self._append("looks.jsonl", _look_line(seen))
        else:
            assert isinstance(seen, Validation)
            body = {"step": seen.step, "scores": dict(seen.scores), "mean": seen.mean}
            body["best"] = seen.best
            means = self._preferred() if self._preferred is not None else {}
            self._append("validation.jsonl", {**body, "preferred": means} if means else body)

    def _append(self, name: str, body: dict[str, Any]) -> None:
        with disk_full_stops(name), (self._folder / name).open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(body, ensure_ascii=False) + "\n")
            handle.flush()
            if name != "steps.jsonl":
                os.fsync(handle.fileno())
