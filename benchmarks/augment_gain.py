"""Do further records made of few ones help? python benchmarks/augment_gain.py [SEED...]

A small model learns `snips` from 70 training records, drawn by seed, and from these with copies of
one kind of `tasks.NAME.augment`, for as many steps. It is scored on the published test part, asked
as in training, and asked in words that neither training nor any rule has (`otherwise`), which is
what copies with another template are for. Intervals are over seeds and test examples. The
learning rate is that of the page that describes the model, steps and shares are guesses: nothing
was tuned.
"""

import sys
from typing import Any

import numpy as np
from compared import DATA, MEASURED, MODEL, PLAIN, ROOT, SEEDS, points, predicted, trained
from record import Line, save

from madrigal.evaluation.seeds import difference_over_seeds, over_seeds

SHOTS, STEPS, ROWS, RATE = 70, 120, 16, 1.0e-3
KINDS: dict[str, dict[str, float]] = {
    "alone": {},
    "edits": {"edits": 1.0},
    "swaps": {"swaps": 1.0},
    "templates": {"templates": 1.0},
}
ASKED = {"task": "Command: {text}\nIntent:", "otherwise": "Somebody says <{text}> and wants"}
MEASURES = {"task": "asked as in training", "otherwise": "asked otherwise"}


def recipe(kind: str, seed: int) -> dict[str, Any]:
    home = DATA / "classification" / "snips"
    train, test = (str(home / f"{part}.jsonl") for part in ("train", "test"))
    labels = sorted({
        "AddToPlaylist", "BookRestaurant", "GetWeather", "PlayMusic", "RateBook",
        "SearchCreativeWork", "SearchScreeningEvent",
    })  # fmt: skip
    learnt: dict[str, Any] = {
        "data": {"train": train, "test": test, "split": {"validation": 0.0}},
        "prompt": ASKED["task"], "labels": labels, "shots": SHOTS,
    }  # fmt: skip
    if KINDS[kind]:
        learnt["augment"] = KINDS[kind]
    other = {"data": {"test": test}, "prompt": ASKED["otherwise"], "labels": labels}
    stage = {
        "name": "learn", "learn": ["task"], "steps": STEPS, "batch": {"rows": ROWS},
        "optimiser": {"learning_rate": RATE}, "checkpoint_every": STEPS,
    }  # fmt: skip
    return {
        "name": kind, "seed": seed, "model": MODEL, **PLAIN,
        "tasks": {"task": learnt, "otherwise": other}, "stages": [stage],
        "evaluate": MEASURED | {"general": ["otherwise"]},
    }  # fmt: skip


def main() -> None:
    seeds = tuple(map(int, sys.argv[1:])) or SEEDS
    rows: dict[tuple[str, str], list] = {}
    for seed in seeds:
        for kind in KINDS:
            run = trained(ROOT / "runs" / "augment_gain" / str(seed) / kind, recipe(kind, seed))
            for task in ASKED:
                rows.setdefault((kind, task), []).append(predicted(run, task))
            said = [np.mean([one.score for one in rows[kind, task][-1]]) for task in ASKED]
            print(seed, kind, *(f"{value:.3f}" for value in said), flush=True)
    if seeds != SEEDS:
        return
    lines = []
    for task, what in MEASURES.items():
        for kind in KINDS:
            score = over_seeds(rows[kind, task], "accuracy")
            said = f"snips, {SHOTS} records, {kind}, {what}: accuracy, {points(score)}"
            lines.append(Line(said, 100 * score.mean, "%"))
        for kind in [*KINDS][1:]:
            gain = difference_over_seeds(rows[kind, task], rows["alone", task], "accuracy")
            said = f"snips: with {kind} less alone, {what}, {points(gain, '+')}"
            lines.append(Line(said, 100 * gain.mean, "points", "interval above 0", gain.low > 0))
    save("augment_gain", lines, seeds=seeds)


if __name__ == "__main__":
    main()
