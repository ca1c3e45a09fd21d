"""Quality on real tasks, over seeds: python benchmarks/real.py classification|instructions

Each row of a table is one setting of a recipe in recipes/real, run once a seed; a cell is the mean
over seeds with an interval that covers both the chance of the run and that of the test examples
(hierarchical bootstrap). Runs are kept under runs/real/ and are not repeated when they are there.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.prediction import Prediction, read_predictions
from madrigal.evaluation.seeds import SeedScore, difference_over_seeds, over_seeds
from madrigal.pipeline.run import run
from madrigal.recipe.load import load_recipe

HERE = Path(__file__).parent
RUNS = HERE.parent / "runs" / "real"
SEEDS = (0, 1, 2)
RESAMPLING = Resampling()


@dataclass(frozen=True)
class Row:
    """One line of a table: what is set, and which predictions of the run it shows."""

    title: str
    overrides: tuple[str, ...]
    label: str = "01-together"


@dataclass(frozen=True)
class Study:
    """One recipe and the rows of its table."""

    recipe: str
    compared_with: str  # title of the row that the ones below it are compared with
    rows: tuple[Row, ...]


NO_SINGLE = "evaluate.baselines=false"
NO_BASE = "evaluate.base=false"  # the same in every run of a seed
STUDIES = {
    "classification": Study(
        "classification.yaml",
        "single-task, same examples",
        (
            Row("base model", (), "base"),
            Row("single-task, same examples", (), "single"),
            Row("joint, proportional", ()),
            Row("joint, temperature 2", ("stages.0.mixture=temperature", NO_SINGLE, NO_BASE)),
            Row("joint, uniform", ("stages.0.mixture=uniform", NO_SINGLE, NO_BASE)),
            Row("joint, stratified by label",
                ("stages.0.mixture={kind: proportional, within: label}", NO_SINGLE, NO_BASE)),
        ),
    ),
    "instructions": Study(
        "instructions.yaml",
        "LoRA, rank 32",
        (
            Row("base model", (), "base"),
            Row("LoRA, rank 32", ()),
            Row("full",
                ("model.adapter=full", "stages.0.optimiser.learning_rate=1.0e-3", NO_BASE)),
        ),
    ),
}  # fmt: skip


def _folder(study: str, row: Row, seed: int) -> Path:
    name = "-".join(
        part.split("=", 1)[1] for part in row.overrides if part not in (NO_SINGLE, NO_BASE)
    )
    safe = "".join(c if c.isalnum() else "-" for c in name).strip("-") or "default"
    return RUNS / study / safe / str(seed)


def _predictions(study: str, row: Row, seed: int) -> dict[str, list[Prediction]]:
    folder = _folder(study, row, seed)
    if not (folder / "report.html").exists():
        overrides = (*row.overrides, f"seed={seed}")
        loaded = load_recipe(HERE.parent / "recipes" / "real" / STUDIES[study].recipe, overrides)
        run(loaded, folder, resume=folder.exists())
    paths = sorted((folder / "predictions" / row.label).glob("*.jsonl"))
    return {path.stem: read_predictions(path) for path in paths}


def _metrics(study: str) -> dict[str, str]:
    first = _folder(study, STUDIES[study].rows[0], SEEDS[0])
    scores = json.loads((first / "scores.json").read_text())
    return {name: facts["metric"] for name, facts in scores["tasks"].items()}


def _cells(study: str, row: Row) -> dict[str, SeedScore]:
    runs = [_predictions(study, row, seed) for seed in SEEDS]
    return {
        task: over_seeds([one[task] for one in runs], metric, RESAMPLING)
        for task, metric in _metrics(study).items()
    }


def _gains(study: str, row: Row, over: Row) -> dict[str, SeedScore]:
    ours, theirs = ([_predictions(study, r, seed) for seed in SEEDS] for r in (row, over))
    return {
        task: difference_over_seeds(
            [one[task] for one in ours], [one[task] for one in theirs], metric, RESAMPLING
        )
        for task, metric in _metrics(study).items()
    }


def _text(cell: SeedScore, sign: str = "") -> str:
    low, high = (format(100 * bound, f"{sign}.1f") for bound in (cell.low, cell.high))
    return f"{100 * cell.mean:{sign}.1f} ({low} to {high})"


def _table(
    rows: Sequence[tuple[str, dict[str, SeedScore]]], metrics: dict[str, str], sign: str = ""
) -> str:
    tasks = list(metrics)
    head = [f"{task}, {metrics[task]}" for task in tasks]
    lines = ["| | mean | " + " | ".join(head) + " |", "|---" * (len(tasks) + 2) + "|"]
    for title, cells in rows:
        mean = sum(cells[task].mean for task in tasks) / len(tasks)
        shown = " | ".join(_text(cells[task], sign) for task in tasks)
        lines.append(f"| {title} | {100 * mean:{sign}.1f} | {shown} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    study = sys.argv[1]
    settings = STUDIES[study]
    rows = [(row.title, _cells(study, row)) for row in settings.rows]
    over = next(row for row in settings.rows if row.title == settings.compared_with)
    others = settings.rows[settings.rows.index(over) + 1 :]
    gains = [(row.title, _gains(study, row, over)) for row in others]
    metrics = _metrics(study)
    seeds = ", ".join(map(str, SEEDS))
    text = (
        f"{_table(rows, metrics)}\nDifference to: {over.title}. Pairs of runs with the same seed, "
        f"on the same test examples.\n\n{_table(gains, metrics, '+')}"
        f"\nRecipe recipes/real/{settings.recipe}, seeds {seeds}; percent, 95 % intervals over "
        f"seeds and test examples. Made by `python benchmarks/real.py {study}`.\n"
    )
    (HERE / "results" / f"real_{study}.md").write_text(text, encoding="utf-8")
    body = {
        part: {title: {task: asdict(cell) for task, cell in cells.items()} for title, cells in of}
        for part, of in (("scores", rows), (f"difference to: {over.title}", gains))
    }
    path = HERE / "results" / f"real_{study}.json"
    path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
