"""Planted interference, over seeds: is it found, is it named, is it cured, and is it quiet without?

python benchmarks/planted.py [SEEDS]      writes results/planted.json

Five cases on madrigal/base-xs with LoRA:

conflict    two tasks with contradictory labels for look-alike sentences, and a bystander
private     the same with a private adapter a task beside the shared one
grouped     the same with the groups that `madrigal group` finds, by a short run of its own
friendship  a task of 24 examples and one of many that asks the same of other sentences
strangers   three bundled tasks that have nothing to do with each other

Gradients are measured as often as a recipe that does not say gets it. Conflict is looked for in the
first 50 steps alone; harm is the paired difference to single-task
models that saw the same examples at the same steps. Runs are kept under runs/planted.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import yaml
from record import Line, save

from madrigal.evaluation.interference import interference
from madrigal.evaluation.prediction import read_predictions
from madrigal.evaluation.seeds import difference_over_seeds
from madrigal.pipeline.run import run
from madrigal.recipe.load import load_recipe
from madrigal.report.diagnosis import diagnose
from madrigal.report.folder import read_run
from madrigal.report.interference import measured
from madrigal.report.scoreboard import read_scores

HERE = Path(__file__).parent
RUNS = HERE.parent / "runs" / "planted"
EARLY = 50  # steps
STEPS = 60
ROWS = 48
PROMPT = "{text}:"
SWAPPED = {"bad": "good", "good": "bad"}
FEW = {"good": ("warm",), "bad": ("cold",)}
MANY = {
    "good": (
        "warm", "bright", "kind", "sweet", "calm", "happy", "lovely", "merry", "gentle", "fresh",
        "clean", "rich", "safe", "brave", "wise", "fair", "strong", "noble", "tender", "pretty",
    ),
    "bad": (
        "cold", "dull", "rude", "bitter", "grim", "sad", "ugly", "angry", "cruel", "stale",
        "dirty", "poor", "sick", "weak", "mad", "false", "wild", "vile", "harsh", "plain",
    ),
}  # fmt: skip
NOUNS = ("morning", "evening", "letter", "song", "dinner", "journey", "story", "winter")
PLACES = (
    "by the river", "at the mill", "in the garden", "near the tower", "behind the chapel",
    "at the market", "on the hill", "in the forest", "from the harbour", "under the bridge",
)  # fmt: skip
VERBS = ("was", "seemed", "felt", "looked", "became")
TEST = 300

Rows = list[dict[str, Any]]


def _write(folder: Path, name: str, train: Rows, test: Rows) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in (("train", train), ("test", test)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.{split}.jsonl").write_text(text, encoding="utf-8")
    return {"train": f"{name}.train.jsonl", "test": f"{name}.test.jsonl"}


def _moods(words: Mapping[str, Sequence[str]]) -> tuple[Rows, Rows]:
    """Sentences whose label is that of their last word; no sentence stands twice."""
    made = [
        {"text": f"The {noun} {place} {verb} {word}", "label": label}
        for label, some in words.items()
        for word in some
        for noun in NOUNS
        for place in PLACES
        for verb in VERBS
    ]
    Random("moods").shuffle(made)
    return made[:-TEST], made[-TEST:]


def _contrary(rows: Rows) -> Rows:
    return [{**row, "label": SWAPPED[row["label"]]} for row in rows]


def _conflict(folder: Path) -> dict[str, Any]:
    train, test = _moods(FEW)
    half, few = len(train) // 2, len(test) // 2
    return {
        "kind": {
            "data": _write(folder, "kind", train[:half], test[:few]),
            "prompt": PROMPT,
        },
        "contrary": {
            "data": _write(folder, "contrary", _contrary(train[half:]), _contrary(test[few:])),
            "prompt": PROMPT,
        },
        "clock": {"data": {"bundled": "clock", "max_test": 100}},
    }


def _friendship(folder: Path) -> dict[str, Any]:
    train, test = _moods(MANY)
    half, many = len(test) // 2, train[24:2024]
    return {
        "few": {"data": _write(folder, "few", train[:24], test[:half]), "prompt": PROMPT},
        "many": {"data": _write(folder, "many", many, test[half:]), "prompt": PROMPT},
    }


def _strangers(_: Path) -> dict[str, Any]:
    return {
        name: {"data": {"bundled": name, "max_test": 100}}
        for name in ("sentiment", "translation", "clock")
    }


CURES = ("private", "grouped")
EVENLY = {"kind": "uniform", "within": "label"}
CASES: Mapping[str, tuple[Callable[[Path], dict[str, Any]], dict[str, Any], Any]] = {
    "conflict": (_conflict, {}, EVENLY),
    "private": (_conflict, {"private": {"rank": 8}}, EVENLY),
    "friendship": (_friendship, {}, EVENLY),
    "strangers": (_strangers, {}, "uniform"),
}


def trained(case: str, seed: int) -> Path:
    """The run folder of a case, trained unless it is there."""
    folder = RUNS / case / str(seed)
    out = folder / "run"
    if (out / "report.html").exists():
        return out
    path = grouped(seed) if case == "grouped" else written(case, seed, folder)
    # A cure is compared with the single-task models of the same seed that `conflict` trained.
    alone = case in ("conflict", "friendship")
    overrides = () if alone else ("evaluate.baselines=false",)
    return run(load_recipe(path, overrides), out, resume=out.exists())


def grouped(seed: int) -> Path:
    """The recipe that `madrigal group` writes for that of `conflict`."""
    recipe = RUNS / "conflict" / str(seed) / "recipe.yaml"
    path = recipe.with_name("recipe.grouped.yaml")
    asked = ["group", str(recipe), "--force"]
    subprocess.run([sys.executable, "-m", "madrigal", *asked, "--out", str(path)], check=True)
    return path


def written(case: str, seed: int, folder: Path) -> Path:
    make, private, mixture = CASES[case]
    folder.mkdir(parents=True, exist_ok=True)
    tasks = make(folder)
    recipe = {
        "name": case,
        "seed": seed,
        "model": {"adapter": {"kind": "lora", "rank": 16, **private}, "context": 128},
        "tasks": tasks,
        "stages": [
            {
                "name": "together",
                "learn": list(tasks),
                "steps": STEPS,
                "batch": {"rows": ROWS},
                "mixture": mixture,
                "balance": "equal",
                "optimiser": {"learning_rate": 1e-3},
            }
        ],
        "evaluate": {"base": False, "baselines": True},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    return path


def early_conflicts(folder: Path) -> list[tuple[str, str]]:
    """Pairs that conflict by the diagnostics of the first steps."""
    lines = (folder / "stages" / "01-together" / "steps.jsonl").read_text("utf-8").splitlines()
    found = interference([json.loads(line) for line in lines[:EARLY]])
    return [] if found is None else [tuple(sorted(pair.tasks)) for pair in found.conflicts]


def named(folder: Path) -> tuple[list[str], str]:
    """Tasks that the verdict calls hurt, and its first words of who fights."""
    held = read_run(folder)
    found = diagnose(held, read_scores(held), measured(held))
    fights = " ".join(text for _, sentences in found.fights for text in sentences)
    return [hurt.task for hurt in found.hurt], f"{found.verdict} {fights}"


def harm(case: str, task: str, seeds: range) -> Any:
    """Joint minus single, over seeds and examples."""
    alone = "conflict" if case in CURES else case
    ours, theirs = (
        [read_predictions(trained(of, s) / "predictions" / label / f"{task}.jsonl") for s in seeds]
        for of, label in ((case, "01-together"), (alone, "single"))
    )
    return difference_over_seeds(ours, theirs, "accuracy" if task != "clock" else "exact_match")


PAIR = ("contrary", "kind")
SURELY = {
    "conflict": ("< 0, surely", lambda found: found.high < 0),
    "private": ("no loss of 5 points", lambda found: found.low > -0.05),
    "grouped": ("no loss of 5 points", lambda found: found.low > -0.05),
    "friendship": ("> 0, surely", lambda found: found.low > 0),
}


def _gain(case: str, task: str, seeds: range) -> Line:
    found = harm(case, task, seeds)
    target, met = SURELY[case]
    what = f"{case}: {task}, joint minus single ({found.low:+.1%} to {found.high:+.1%})"
    return Line(what, round(100 * found.mean, 1), "points", target, met(found))


def _of(what: str, hits: list[bool], wanted: int) -> Line:
    return Line(what, sum(hits), f"of {len(hits)} seeds", f"= {wanted}", sum(hits) == wanted)


def main() -> None:
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    runs = {case: [trained(case, seed) for seed in seeds] for case in (*CASES, "grouped")}
    early = {c: [early_conflicts(folder) for folder in folders] for c, folders in runs.items()}
    verdicts = {c: [named(folder) for folder in folders] for c, folders in runs.items()}
    told, all_seeds = verdicts["conflict"], len(seeds)
    lines = [
        _gain("conflict", "kind", seeds),
        _gain("conflict", "contrary", seeds),
        _of(f"conflict: found in {EARLY} steps", [PAIR in f for f in early["conflict"]], all_seeds),
        _of("conflict: bystander accused", [_accuses(f, "clock") for f in early["conflict"]], 0),
        _of("conflict: both called hurt", [{*PAIR} <= {*hurt} for hurt, _ in told], all_seeds),
        _of("conflict: both named", [all(t in text for t in PAIR) for _, text in told], all_seeds),
        _gain("private", "kind", seeds),
        _gain("private", "contrary", seeds),
        _gain("grouped", "kind", seeds),
        _gain("grouped", "contrary", seeds),
        _gain("friendship", "few", seeds),
        _of("friendship: alarms", [bool(found) for found in early["friendship"]], 0),
        _of("strangers: alarms", [bool(found) for found in early["strangers"]], 0),
    ]
    texts = {case: [text for _, text in found] for case, found in verdicts.items()}
    save("planted", lines, seeds=all_seeds, verdicts=texts)


def _accuses(pairs: list[tuple[str, str]], task: str) -> bool:
    return any(task in pair for pair in pairs)


if __name__ == "__main__":
    main()
