"""A run folder as the pipeline leaves it, made up but consistent: for tests and for the eye.

Five tasks of different kinds, two stages, single-task baselines, hostile and overlong outputs.
The scores are the real ones of the made-up predictions.
"""

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import fake_rows
from fake_rows import HOSTILE, KINDS, LABELS, METRICS
from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.plan import Plan
from madrigal.evaluation.scores_file import score_run, write_scores
from planted import Gradients

STAGES = {
    "01-together": ("sentiment", "inference", "passages", "titles"),
    "02-law": ("statutes", "titles"),
}
ONE_STAGE = {"01-together": tuple(METRICS)}
FORMATS = {
    "sentiment": "classification",
    "inference": "classification",
    "passages": "question_answering",
    "titles": "natural_instructions",
    "statutes": "text",
}


def write_run(
    folder: Path,
    *,
    examples: int = 150,
    steps: int = 240,
    stages: dict[str, tuple[str, ...]] | None = None,
    few_shot: bool = True,
    baselines: bool = True,
    gradients: Gradients | None = None,
) -> Path:
    """Writes a whole run folder and answers it. `gradients` plants the angles between tasks."""
    stages = STAGES if stages is None else stages
    variants = ["base", *["few-shot"] * few_shot, *["single"] * baselines, *stages]
    for variant in variants:
        for task in METRICS:
            lines = fake_rows.rows(task, variant, examples)
            write_lines(folder / "predictions" / variant / f"{task}.jsonl", lines)
    plan = Plan(metrics=METRICS, learned=stages, resampling=Resampling(7, draws=200))
    write_scores(folder, score_run(folder, plan))
    for seed, (stage, learnt) in enumerate(stages.items()):
        _write_stage(folder / "stages" / stage, learnt, steps, seed, gradients)
        for task in learnt if baselines else ():
            alone = folder / "baselines" / task / (stage if len(stages) > 1 else "")
            _write_stage(alone, (task,), steps, seed + 50)
    for task in METRICS:
        write_json(folder / "data" / f"{task}.json", _card(task))
    (folder / "data" / "samples.md").write_text("# Samples\n", encoding="utf-8")
    write_json(folder / "manifest.json", _manifest(stages))
    (folder / "recipe.yaml").write_text(_recipe(stages), encoding="utf-8")
    return folder


def write_json(path: Path, value: Any) -> None:
    """An object as a file, its folder made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """One JSON line a row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _write_stage(
    folder: Path,
    learnt: tuple[str, ...],
    steps: int,
    seed: int,
    gradients: Gradients | None = None,
) -> None:
    chance = random.Random(seed)
    lines = [_step(step, steps, learnt, chance) for step in range(1, steps + 1)]
    noise = np.random.default_rng(seed)
    for line in lines if gradients else ():
        found = gradients.line(line["step"], learnt, line["rows"], noise) if gradients else None
        if found and "skipped" not in line:
            line["conflict"] = found
    write_lines(folder / "steps.jsonl", lines)
    every = max(steps // 8, 1)
    rows = [_validation(step / steps, step, learnt, chance) for step in range(every, steps, every)]
    write_lines(folder / "validation.jsonl", rows)
    if len(learnt) > 1:
        end = steps - 20
        events = [
            (57, "skipped", "Step 57 skipped: non-finite loss."),
            (120, "rolled_back", "Rolled back to step 100 after <b>three</b> skipped steps."),
            (end, "early_stop", "Stopped: three validations without a gain."),
        ]
        kept = [{"step": s, "kind": kind, "text": text} for s, kind, text in events]
        write_lines(folder / "events.jsonl", kept)
        (folder / "adapter").mkdir(exist_ok=True)


def _step(step: int, steps: int, learnt: tuple[str, ...], chance: random.Random) -> dict[str, Any]:
    done = step / steps
    start = dict(zip(METRICS, (0.75, 1.2, 2.9, 3.4, 3.9), strict=True))
    fall = 0.25 + 0.75 * math.exp(-4 * done)
    rows = {task: chance.randrange(4, 12) for task in learnt}
    tokens = {task: rows[task] * (20 if KINDS[task] == "choice" else 60) for task in learnt}
    rate = min(1, 20 * done) * (0.1 + 0.45 * (1 + math.cos(math.pi * done)))
    line: dict[str, Any] = {
        "step": step,
        "loss": {t: round(start[t] * fall * chance.uniform(0.88, 1.12), 4) for t in learnt},
        "weight": {t: round(1 + (0.3 * done if t == "titles" else 0), 4) for t in learnt},
        "tokens": tokens,
        "rows": rows,
        "padded_tokens": round(1.07 * sum(tokens.values())),
        "grad_norm": round(0.4 + math.exp(-3 * done) * chance.uniform(0.6, 1.8), 4),
        "lr": round(1e-3 * rate, 8),
        "seconds": round(0.9 + 0.05 * chance.random(), 4),
    }
    if step == 57:
        line |= {"loss": dict.fromkeys(learnt), "grad_norm": None, "skipped": "non-finite loss"}
    return line


def _validation(
    done: float, step: int, learnt: tuple[str, ...], chance: random.Random
) -> dict[str, Any]:
    reached = 1 - math.exp(-3 * done)
    level = {task: 0.9 - 0.15 * index for index, task in enumerate(METRICS)}
    scores = {t: round(level[t] * reached + 0.02 * chance.random(), 4) for t in learnt}
    middle = sum(scores.values()) / len(scores)
    return {"step": step, "scores": scores, "mean": middle, "best": done < 0.8}


def _card(task: str) -> dict[str, Any]:
    counted = {name: 800 + 130 * place for place, name in enumerate(LABELS.get(task, ()))}
    bars = [round(400 * math.exp(-((place - 5) ** 2) / 9)) for place in range(16)]
    row = fake_rows.rows(task, "single", 4)[3]
    sample = {"prompt": row["prompt"] + " ", "answer": (row["targets"] or [row["prompt"]])[0]}
    file = {"path": f"{task}/train.jsonl", "bytes": 412_345, "records": 2_400, "sha256": "ab" * 32}
    lengths = {"prompt_median": 24.0, "prompt_p95": 61.0, "prompt_max": 388}
    return {
        "task": task,
        "format": FORMATS[task],
        "kind": KINDS[task],
        "metric": METRICS[task],
        "files": [file],
        "counts": {"train": 2_143, "validation": 107, "test": 150, "duplicates": 12, "dropped": 0},
        "labels": {"train": counted, "test": dict.fromkeys(counted, 50)} if counted else {},
        "tokens": {"train_total": 61_234, **lengths, "answer_median": 4.0, "answer_max": 31},
        "truncated": {"examples": 3 if task == "titles" else 0, "tokens": 412},
        "histogram": {"edges": [8 * place for place in range(17)], "counts": bars},
        "samples": [sample, {"prompt": f"Title: {HOSTILE[0]}\n", "answer": HOSTILE[1]}],
        "notes": [f"read as {FORMATS[task]}", "12 duplicates were left out", HOSTILE[3]],
    }


def _manifest(stages: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    shares = {
        stage: {task: {"asked": 1 / len(learnt), "epochs": 1.2} for task in learnt}
        for stage, learnt in stages.items()
    }
    file = {"bytes": 412_345, "sha256": "ab" * 32}
    packages = {"torch": "2.13.0", "transformers": "5.23.0", "peft": "0.21.2"}
    return {
        "version": 1,
        "madrigal": "0.1.0",
        "name": "support-desk",
        "command": "madrigal run support-desk.yaml --set seed=7",
        "started": "2026-11-21T05:30:12+00:00",
        "finished": "2026-11-21T05:38:40+00:00",
        "status": "finished",
        "seed": 7,
        "determinism": "repeatable",
        "recipe_sha256": "3f" * 32,
        "code": {"version": "0.1.0", "commit": "8826a8c", "dirty": True},
        "data": {
            task: {"records_sha256": "ef" * 32, "files": {f"{task}/train.jsonl": file}}
            for task in METRICS
        },
        "model": {
            "base": "madrigal/base-xs",
            "sha256": {"model.safetensors": "cd" * 32, "tokenizer.json": "de" * 32},
            "revision": None,
            "parameters": 5_243_136,
            "trainable": 311_296,
            "context": 512,
            "precision": "float32",
            "device": "cpu",
        },
        "environment": {"python": "3.11.9", "system": "Linux", "packages": packages},
        "hardware": {"processor": "a processor", "cores": 2, "accelerators": [], "processes": 1},
        "timings": {"base scores": 33.2, **{f"train {stage}": 220.0 for stage in stages}},
        "tokens": dict.fromkeys(stages, 118_000),
        "flops": dict.fromkeys(stages, 3.2e15),
        "peak_memory_bytes": 1_420_000_000,
        "warnings": ["titles: 3 examples were truncated (412 tokens).", HOSTILE[0]],
        "resumed": ["2026-11-21T05:33:02+00:00"],
        "shares": shares,
    }


def _recipe(stages: dict[str, tuple[str, ...]]) -> str:
    adapter = {"kind": "lora", "rank": 16, "dropout": 0.05}
    recipe = {
        "name": "support-desk",
        "seed": 7,
        "model": {"base": "madrigal/base-xs", "adapter": adapter},
        "tasks": {task: {"data": f"{task}/train.jsonl"} for task in METRICS},
        "stages": [
            {
                "name": stage[3:],
                "learn": list(learnt),
                "steps": 240,
                "mixture": {"kind": "temperature", "temperature": 2.0},
                "balance": {"kind": "mean"},
                "optimiser": {"learning_rate": 1e-3},
            }
            for stage, learnt in stages.items()
        ],
        "evaluate": {"baselines": True, "few_shot": 4},
    }
    return f"# resolved\n{yaml.safe_dump(recipe, sort_keys=False)}"
