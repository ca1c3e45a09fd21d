"""Does curation pay when a model learns from bad data? python benchmarks/curation_gain.py [SEED...]

In the training part of two real sets of $MADRIGAL_DATA one label in five, drawn by seed, becomes
another one; then half of the file is made copies: as many rows as there are, drawn from a tenth of
them, half word for word and half with one word edited, with the label that the row has, wrong or
not. A small model learns from five files, for as many steps each, and is scored on the published
test part, which nothing was done to:

    noisy         the file as it was made
    deduplicated  `madrigal curate RECIPE --clean`: what it does by itself
    dropped       `... --deep --clean --drop label_noise`
    relabelled    `... --deep --clean --relabel CHANCE`
    clean         the published file: what there was to regain

What is curated is curated by the command line, which knows nothing of what was planted. Intervals
are over seeds and test examples. Steps and learning rate are those of the page that describes the
model; nothing was tuned. Runs stay under runs/curation_gain/ and are not repeated.
"""

import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
from compared import (
    DATA,
    MEASURED,
    MODEL,
    PLAIN,
    ROOT,
    SEEDS,
    Row,
    madrigal,
    points,
    predicted,
    read,
    trained,
    write,
    written,
)
from record import Line, save

from madrigal.evaluation.seeds import difference_over_seeds, over_seeds
from madrigal.tasks.edits_by_rule import edited

SETS = {"snips": "Command: {text}\nIntent:", "sst2": "Review: {text}\nSentiment:"}
WRONG, FROM, CHANCE = 0.2, 0.1, 0.6
STEPS, ROWS, RATE = 200, 16, 1.0e-3
CURATED = {
    "deduplicated": (),
    "dropped": ("--deep", "--drop", "label_noise"),
    "relabelled": ("--deep", "--relabel", CHANCE),
}
ARMS = ("noisy", *CURATED, "clean")


def spoilt(rows: list[Row], seed: int) -> list[Row]:
    """The rows with wrong labels, then copies of some of them, in an order drawn by seed."""
    dice, chance = random.Random(seed), np.random.default_rng([seed, 7])
    labels = sorted({row["label"] for row in rows})
    found = [dict(row) for row in rows]
    for place in dice.sample(range(len(rows)), round(WRONG * len(rows))):
        others = [one for one in labels if one != rows[place]["label"]]
        found[place]["label"] = dice.choice(others)
    sources = dice.sample(range(len(rows)), round(FROM * len(rows)))
    for number in range(len(rows)):
        copy = dict(found[dice.choice(sources)])
        if number % 2:
            copy["text"] = edited(copy["text"], 1e-9, (), chance)
        found.append(copy)
    dice.shuffle(found)
    return found


def recipe(name: str, data: Path, seed: int) -> dict[str, Any]:
    test = str(DATA / "classification" / name / "test.jsonl")
    files = {"train": str(data), "test": test, "split": {"validation": 0.0}}
    stage = {
        "name": "learn", "learn": ["task"], "steps": STEPS, "batch": {"rows": ROWS},
        "optimiser": {"learning_rate": RATE}, "checkpoint_every": STEPS,
    }  # fmt: skip
    return {
        "name": name, "seed": seed, "model": MODEL, **PLAIN,
        "tasks": {"task": {"data": files, "prompt": SETS[name]}},
        "stages": [stage], "evaluate": MEASURED,
    }  # fmt: skip


def made(home: Path, name: str, seed: int) -> dict[str, Path]:
    """The training file of each arm."""
    published = DATA / "classification" / name / "train.jsonl"
    rows = read(published)
    files = {"noisy": home / "noisy" / "train.jsonl", "clean": published}
    if not files["noisy"].exists():
        write(files["noisy"], spoilt(rows, seed))
    settings = written(home / "curate.yaml", recipe(name, files["noisy"], seed))
    for arm, how in CURATED.items():
        out = home / arm
        files[arm] = out / "clean" / "task" / "train.jsonl"
        if not files[arm].exists():
            madrigal("curate", settings, "--out", out, "--clean", *how)
    return files


def told(files: dict[str, Path], name: str) -> dict[str, dict[str, float]]:
    """Rows of each file, and the share of them with another label than the published one."""
    found = {}
    true = {row["text"]: row["label"] for row in read(files["clean"])}
    for arm, path in files.items():
        rows = read(path)
        known = [row for row in rows if row["text"] in true]
        wrong = sum(row["label"] != true[row["text"]] for row in known)
        found[arm] = {"rows": len(rows), "wrong": wrong / len(known)}
    print(name, {arm: (one["rows"], round(one["wrong"], 3)) for arm, one in found.items()})
    return found


def main() -> None:
    seeds = tuple(map(int, sys.argv[1:])) or SEEDS
    lines, files_told = [], {}
    for name in SETS:
        rows: dict[str, list] = {arm: [] for arm in ARMS}
        for seed in seeds:
            home = ROOT / "runs" / "curation_gain" / name / str(seed)
            files = made(home, name, seed)
            files_told[f"{name} {seed}"] = told(files, name)
            for arm in ARMS:
                run = trained(home / "runs" / arm, recipe(name, files[arm], seed))
                rows[arm].append(predicted(run, "task"))
                right = np.mean([one.score for one in rows[arm][-1]])
                print(f"{name} {seed} {arm}: {right:.3f}", flush=True)
        if len(seeds) > 1:
            lines += compared(name, rows, files_told)
            if seeds == SEEDS:
                save("curation_gain", lines, seeds=seeds, files=files_told)


def compared(name: str, rows: dict[str, list], files: dict) -> list[Line]:
    lines = []
    for arm in ARMS:
        here = [one[arm] for key, one in files.items() if key.startswith(f"{name} ")]
        size, wrong = (np.mean([one[key] for one in here]) for key in ("rows", "wrong"))
        score = over_seeds(rows[arm], "accuracy")
        said = f"{name}, {arm} ({size:.0f} rows, {wrong:.1%} wrong): accuracy, {points(score)}"
        lines.append(Line(said, 100 * score.mean, "%"))
    for arm in (*CURATED, "clean"):
        gain = difference_over_seeds(rows[arm], rows["noisy"], "accuracy")
        said = f"{name}: {arm} less noisy, {points(gain, '+')}"
        lines.append(Line(said, 100 * gain.mean, "points", "interval above 0", gain.low > 0))
    return lines


if __name__ == "__main__":
    main()
