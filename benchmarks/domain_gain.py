"""Does chosen text help, and does alignment? python benchmarks/domain_gain.py [SEED...]

Chosen text: passages of seven corpora of $MADRIGAL_DATA, one pool. A small model reads a tenth of
it, chosen by 200 training records of dbpedia14 (`data.select`), or as much drawn at random, or
nothing; then it learns these records. Told are the perplexity of the task's own held-out texts
after reading, by byte, and the accuracy in the end.

Alignment: film reviews (sst2) are learnt with their labels, lines of verse (poem_sentiment) are
there without; `align` brings their states together. Told are how well a linear classifier tells
held-out reviews from held-out verse by the model's states of them (AUC, 5 folds), and the accuracy
on verse and on reviews. The same steps and rows of reviews in each arm.

Intervals are over seeds and test examples; of AUC, t over seeds. Nothing was tuned.
"""

import random
import sys
from collections.abc import Sequence
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
    points,
    predicted,
    read,
    trained,
    write,
)
from domains import pool
from record import Line, save

from madrigal.evaluation.features import prompt_features
from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.prediction import Prediction
from madrigal.evaluation.seeds import SeedScore, difference_over_seeds, over_seeds, spread
from madrigal.pipeline.trained import find_trained, load_trained
from madrigal.tasks.encoded import Encoded

HOME = ROOT / "runs" / "domain_gain"
RECORDS, READ, STEPS, ROWS = 200, 60, 100, 16
SHARE, WINDOWS = 0.1, 8
READING = ("nothing", "random", "chosen")
ALIGNED: dict[str, dict[str, Any]] = {
    "plain": {},
    "coral": {"how": "coral", "strength": 100.0},
    "mmd": {"how": "mmd", "strength": 1.0},
}
ALIGN_STEPS, ALIGN_ROWS = 200, 16
UNLABELLED = 160
T95 = 4.303  # two degrees of freedom


def few(seed: int) -> Path:
    """Training records of dbpedia14, drawn by seed."""
    rows = read(DATA / "classification" / "dbpedia14" / "train.jsonl")
    drawn = random.Random(seed).sample(rows, RECORDS)
    return write(HOME / str(seed) / "few.jsonl", drawn)


def texts(seed: int) -> dict[str, Path]:
    """The pool, a random share of it, and the task's held-out texts as raw text."""
    pieces = [text for _, text in pool()]
    random.Random(seed).shuffle(pieces)
    wanted, drawn = SHARE * sum(map(len, pieces)), []
    for piece in pieces:
        if sum(map(len, drawn)) >= wanted:
            break
        drawn.append(piece)
    test = read(DATA / "classification" / "dbpedia14" / "test.jsonl")
    place = HOME / str(seed)
    return {
        "pool": write(place / "pool.jsonl", ({"text": one} for one in sorted(pieces))),
        "random": write(place / "random.jsonl", ({"text": one} for one in drawn)),
        "own": write(place / "own.jsonl", ({"text": row["text"]} for row in test)),
    }


def reading(arm: str, seed: int) -> dict[str, Any]:
    files, whole = texts(seed), {"split": {"validation": 0.0, "test": 0.01}}
    test = str(DATA / "classification" / "dbpedia14" / "test.jsonl")
    task = {
        "data": {"train": str(few(seed)), "test": test, "split": {"validation": 0.0}},
        "prompt": "{text}\nTopic:",
    }
    tasks: dict[str, Any] = {"task": task, "own": {"data": {"test": str(files["own"])}}}
    stages = [_stage("learn", ["task"], STEPS, ROWS)]
    if arm != "nothing":
        data = {"train": str(files["random" if arm == "random" else "pool"]), **whole}
        if arm == "chosen":
            data["select"] = {"near": "task", "share": SHARE}
        tasks["book"] = {"data": data}
        stages.insert(0, _stage("read", ["book"], READ, WINDOWS))
    return {
        "name": arm, "seed": seed, "model": MODEL, **PLAIN, "tasks": tasks, "stages": stages,
        "evaluate": MEASURED | {"base": arm == "nothing", "general": ["own"]},
    }  # fmt: skip


def _stage(name: str, learn: list[str], steps: int, rows: int, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "learn": learn, "steps": steps, "batch": {"rows": rows},
        "optimiser": {"learning_rate": 1.0e-3}, "checkpoint_every": steps, **more,
    }  # fmt: skip


def verse() -> tuple[Path, Path]:
    """Lines of verse, some to read without labels and others to be scored on."""
    home = DATA / "classification" / "poem_sentiment"
    words = {"positive": "Good", "negative": "Bad"}
    rows = [
        {"text": row["text"], "label": words[row["label"]]}
        for part in ("train", "test")
        for row in read(home / f"{part}.jsonl")
        if row["label"] in words
    ]
    random.Random(0).shuffle(rows)
    return (
        write(HOME / "verse.train.jsonl", rows[:UNLABELLED]),
        write(HOME / "verse.test.jsonl", rows[UNLABELLED:]),
    )


def aligning(arm: str, seed: int) -> dict[str, Any]:
    home, (train, test) = DATA / "classification" / "sst2", verse()
    prompt = "Text: {text}\nSentiment:"
    cut = {"validation": 0.0}
    tasks = {
        "reviews": {
            "data": {"train": str(home / "train.jsonl"), "test": str(home / "test.jsonl"),
                     "split": cut}, "prompt": prompt,
        },
        "verse": {"data": {"train": str(train), "test": str(test), "split": cut}, "prompt": prompt},
    }  # fmt: skip
    more: dict[str, Any] = {"mixture": "uniform"}
    if how := ALIGNED[arm]:
        more["objective"] = {
            "reviews": {"kind": "align", "to": "verse", **how},
            "verse": {"kind": "align", "to": "reviews", "likelihood": 0, **how},
        }
    learn = ["reviews", "verse"] if how else ["reviews"]
    rows = ALIGN_ROWS * len(learn)
    return {
        "name": arm, "seed": seed, "model": MODEL, **PLAIN, "tasks": tasks,
        "stages": [_stage("learn", learn, ALIGN_STEPS, rows, **more)],
        "evaluate": MEASURED | {"general": [] if how else ["verse"]},
    }  # fmt: skip


def told_apart(run: Path) -> float:
    """AUC of a linear classifier between the two tasks' test prompts, by the model's states."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model, coder = load_trained(find_trained(run))
    prompts = [row.prompt for task in ("reviews", "verse") for row in predicted(run, task)]
    which = np.array(
        [task == "verse" for task in ("reviews", "verse") for _ in predicted(run, task)]
    )
    coded = [np.array(coder.tokenizer(one)["input_ids"], dtype=np.int64) for one in prompts]
    rows = [Encoded(tokens, np.zeros(len(tokens), dtype=bool)) for tokens in coded]
    states = prompt_features(model, rows, 4096)
    reader = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    chances = cross_val_predict(reader, states, which, cv=5, method="predict_proba")[:, 1]
    return float(roc_auc_score(which, chances))


Runs = Sequence[Sequence[Prediction]]


def nats_a_byte(runs: Runs, others: Runs = ()) -> SeedScore:
    """Of the texts as a whole; less that of other runs, where there are some, on the same texts."""
    resampling = Resampling()
    size = len(runs[0])
    chance = np.random.default_rng([resampling.seed, size])
    taken = np.vstack([np.ones(size), chance.multinomial(size, np.full(size, 1 / size), 2000)])

    def shares(rows: Sequence[Prediction]) -> np.ndarray:
        nats, held = (np.array([getattr(row, k) for row in rows]) for k in ("nats", "bytes"))
        return (taken @ nats) / (taken @ held)

    found = np.stack([shares(rows) for rows in runs])
    if others:
        found = found - np.stack([shares(rows) for rows in others])
    return spread(found[:, 0], found[:, 1:], resampling)


def read_first(seeds: tuple[int, ...]) -> list[Line]:
    rows: dict[tuple[str, str], list] = {}
    for seed in seeds:
        for arm in READING:
            run = trained(HOME / str(seed) / arm, reading(arm, seed))
            stage = "base" if arm == "nothing" else "01-read"
            rows.setdefault((arm, "own"), []).append(predicted(run, "own", stage))
            rows.setdefault((arm, "task"), []).append(predicted(run, "task"))
            own, right = rows[arm, "own"][-1], [one.score for one in rows[arm, "task"][-1]]
            loss = sum(one.nats or 0 for one in own) / sum(one.bytes or 0 for one in own)
            print(f"{seed} {arm}: {loss:.4f} nats a byte, {np.mean(right):.3f} right", flush=True)
    if len(seeds) < 2:
        return []
    lines = []
    for arm in READING:
        own, right = nats_a_byte(rows[arm, "own"]), over_seeds(rows[arm, "task"], "accuracy")
        said = f"dbpedia14's texts after reading {arm}, {own.low:.3f} to {own.high:.3f}"
        lines.append(Line(said, own.mean, "nats a byte"))
        said = f"dbpedia14 learnt after reading {arm}: accuracy, {points(right)}"
        lines.append(Line(said, 100 * right.mean, "%"))
    for one, other in (("chosen", "random"), ("random", "nothing"), ("chosen", "nothing")):
        fall = nats_a_byte(rows[one, "own"], rows[other, "own"])
        said = f"its texts: {one} less {other}, {fall.low:+.4f} to {fall.high:+.4f}"
        target = "interval below 0" if one == "chosen" else ""
        lines.append(
            Line(said, fall.mean, "nats a byte", target, fall.high < 0 if target else None)
        )
        gain = difference_over_seeds(rows[one, "task"], rows[other, "task"], "accuracy")
        said = f"its accuracy: {one} less {other}, {points(gain, '+')}"
        target = "interval above 0" if one == "chosen" else ""
        lines.append(
            Line(said, 100 * gain.mean, "points", target, gain.low > 0 if target else None)
        )
    return lines


def brought_together(seeds: tuple[int, ...]) -> list[Line]:
    rows: dict[tuple[str, str], list] = {}
    apart: dict[str, list[float]] = {}
    for seed in seeds:
        for arm in ALIGNED:
            run = trained(HOME / str(seed) / arm, aligning(arm, seed))
            apart.setdefault(arm, []).append(told_apart(run))
            for task in ("reviews", "verse"):
                rows.setdefault((arm, task), []).append(predicted(run, task))
            said = [np.mean([one.score for one in rows[arm, t][-1]]) for t in ("reviews", "verse")]
            print(seed, arm, f"{apart[arm][-1]:.3f}", *(f"{v:.3f}" for v in said), flush=True)
    if len(seeds) < 2:
        return []
    lines = []
    for arm in ALIGNED:
        middle, half = _t(apart[arm])
        said = f"{arm}: reviews told from verse, AUC, {middle - half:.3f} to {middle + half:.3f}"
        lines.append(Line(said, middle, ""))
        for task in ("reviews", "verse"):
            score = over_seeds(rows[arm, task], "accuracy")
            lines.append(Line(f"{arm}: accuracy on {task}, {points(score)}", 100 * score.mean, "%"))
    for arm in [*ALIGNED][1:]:
        moved = [a - b for a, b in zip(apart[arm], apart["plain"], strict=True)]
        middle, half = _t(moved)
        said = f"{arm} less plain: AUC, {middle - half:+.3f} to {middle + half:+.3f}"
        lines.append(Line(said, middle, "", "interval below 0", middle + half < 0))
        for task in ("reviews", "verse"):
            gain = difference_over_seeds(rows[arm, task], rows["plain", task], "accuracy")
            target = "interval above 0" if task == "verse" else ""
            said = f"{arm} less plain: accuracy on {task}, {points(gain, '+')}"
            met = gain.low > 0 if target else None
            lines.append(Line(said, 100 * gain.mean, "points", target, met))
    return lines


def _t(values: list[float]) -> tuple[float, float]:
    """Mean, and half of its t interval over three seeds."""
    return float(np.mean(values)), T95 * float(np.std(values, ddof=1)) / float(np.sqrt(len(values)))


def main() -> None:
    seeds = tuple(map(int, sys.argv[1:])) or SEEDS
    lines = [*read_first(seeds), *brought_together(seeds)]
    if seeds == SEEDS:
        save("domain_gain", lines, seeds=seeds)


if __name__ == "__main__":
    main()
