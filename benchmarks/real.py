"""Quality on real tasks, over seeds: python benchmarks/real.py classification|instructions

Each row of a table is one setting of a recipe in recipes/real, run once a seed; a cell is the mean
over seeds with an interval that covers both the chance of the run and that of the test examples
(hierarchical bootstrap). Runs are kept under runs/real/ and are not repeated when they are there.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.prediction import Prediction, read_predictions
from madrigal.evaluation.seeds import SeedScore, over_seeds
from madrigal.pipeline.run import run
from madrigal.recipe.load import load_recipe

HERE = Path(__file__).parent
RUNS = HERE.parent / "runs" / "real"
SEEDS = (0, 1, 2)


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
    rows: tuple[Row, ...]


NO_SINGLE = "evaluate.baselines=false"
STUDIES = {
    "classification": Study(
        "classification.yaml",
        (
            Row("base model", (), "base"),
            Row("single-task, same examples", (), "single"),
            Row("joint, proportional", ()),
            Row("joint, temperature 2", ("stages.0.mixture=temperature", NO_SINGLE)),
            Row("joint, uniform", ("stages.0.mixture=uniform", NO_SINGLE)),
            Row("joint, stratified by label",
                ("stages.0.mixture={kind: proportional, within: label}", NO_SINGLE)),
        ),
    ),
    "instructions": Study(
        "instructions.yaml",
        (
            Row("base model", (), "base"),
            Row("LoRA, rank 32", ()),
            Row("full", ("model.adapter=full", "stages.0.optimiser.learning_rate=1.0e-3")),
        ),
    ),
}  # fmt: skip


def _folder(study: str, row: Row, seed: int) -> Path:
    name = "-".join(part.split("=", 1)[1] for part in row.overrides if part != NO_SINGLE)
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


def _metrics(study: str, row: Row) -> dict[str, str]:
    scores = json.loads((_folder(study, row, SEEDS[0]) / "scores.json").read_text())
    return {name: facts["metric"] for name, facts in scores["tasks"].items()}


def _cells(study: str, row: Row) -> dict[str, SeedScore]:
    runs = [_predictions(study, row, seed) for seed in SEEDS]
    metrics = _metrics(study, row)
    return {
        task: over_seeds([one[task] for one in runs], metrics[task], Resampling())
        for task in metrics
    }


def _text(cell: SeedScore) -> str:
    return f"{100 * cell.value:.1f} ({100 * cell.low:.1f} to {100 * cell.high:.1f})"


def _table(rows: Sequence[tuple[str, dict[str, SeedScore]]], metrics: dict[str, str]) -> str:
    tasks = list(metrics)
    head = [f"{task}, {metrics[task]}" for task in tasks]
    lines = ["| | mean | " + " | ".join(head) + " |", "|---" * (len(tasks) + 2) + "|"]
    for title, cells in rows:
        mean = sum(cells[task].value for task in tasks) / len(tasks)
        shown = " | ".join(_text(cells[task]) for task in tasks)
        lines.append(f"| {title} | {100 * mean:.1f} | {shown} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    study = sys.argv[1]
    rows = [(row.title, _cells(study, row)) for row in STUDIES[study].rows]
    metrics = _metrics(study, STUDIES[study].rows[0])
    text = _table(rows, metrics)
    seeds = ", ".join(map(str, SEEDS))
    note = (
        f"\nRecipe recipes/real/{STUDIES[study].recipe}, seeds {seeds}; percent, 95 % intervals "
        f"over seeds and test examples. Made by `python benchmarks/real.py {study}`.\n"
    )
    (HERE / "results" / f"real_{study}.md").write_text(text + note, encoding="utf-8")
    body = {title: {task: vars_of(cell) for task, cell in cells.items()} for title, cells in rows}
    path = HERE / "results" / f"real_{study}.json"
    path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    print(text)


def vars_of(cell: SeedScore) -> dict[str, float]:
    return {name: getattr(cell, name) for name in cell.__slots__}


if __name__ == "__main__":
    main()
