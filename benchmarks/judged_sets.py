"""Runs on four real sets of judged answers, one a seed, for the benchmarks that compare them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from madrigal.evaluation.agreement import Judging
from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.prediction import Prediction, read_predictions
from madrigal.pipeline.run import run
from madrigal.recipe.load import load_recipe
from madrigal.tasks.load import load_tasks
from madrigal.tasks.task import Task

ROOT = Path(__file__).parents[1]
SEEDS = (0, 1, 2)
RESAMPLING = Resampling()

Rows = list[Prediction]


def made(recipe: str, seed: int, model: str = "") -> Path:
    """The folder of a run of recipes/real/RECIPE.yaml, which is made where it is not there.

    `model` is the folder of another base; left out, that of the recipe.
    """
    folder = ROOT / "runs" / recipe / (Path(model).name or "base-xs") / str(seed)
    if not (folder / "report.html").exists():
        loaded = load_recipe(_path(recipe), _overrides(seed, model))
        run(loaded, folder, resume=folder.exists())
    return folder


def tasks_of(recipe: str, model: str = "") -> dict[str, Task]:
    """The sets with all their records; their test records do not depend on the seed."""
    loaded = load_recipe(_path(recipe), _overrides(SEEDS[0], model))
    return load_tasks(loaded.recipe, loaded.root)


def _path(recipe: str) -> Path:
    return ROOT / "recipes" / "real" / f"{recipe}.yaml"


def _overrides(seed: int, model: str) -> tuple[str, ...]:
    return (f"seed={seed}", *([f"model.base={model}"] if model else []))


def predicted(folder: Path, stage: str) -> dict[str, Rows]:
    """Rows by task, in an order that no run can change."""
    paths = sorted((folder / "predictions" / stage).glob("*.jsonl"))
    return {path.stem: sorted(read_predictions(path), key=lambda row: row.id) for path in paths}


def judged(row: Prediction) -> Judging:
    assert row.judging is not None
    return row.judging


def scored(row: Prediction, scores: Sequence[float]) -> Prediction:
    """The same answers with other scores."""
    return replace(row, judging=replace(judged(row), rewards=tuple(map(float, scores))))


def percent(cell: Mapping, sign: str = "") -> str:
    low, high = (format(100 * cell[end], f"{sign}.1f") for end in ("low", "high"))
    return f"{100 * cell['mean']:{sign}.1f} ({low} to {high})"


def nats(cell: Mapping) -> str:
    return f"{cell['mean']:+.2f} ({cell['low']:+.2f} to {cell['high']:+.2f})"


def base_of(arguments: Sequence[str]) -> str:
    """The folder of a base that the command line names, else nothing."""
    return next((str(Path(word).resolve()) for word in arguments if Path(word).is_dir()), "")
