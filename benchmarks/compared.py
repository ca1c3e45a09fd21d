"""Small recipes that are trained and compared on the same test examples.

They learn on `tinystories-260k` of $MADRIGAL_MODELS (260,032 parameters), so that a study with
several settings and seeds takes minutes of one core.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from madrigal.evaluation.prediction import Prediction, read_predictions
from madrigal.evaluation.seeds import SeedScore
from madrigal.pipeline.run import run
from madrigal.recipe.load import load_recipe

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("MADRIGAL_DATA", "data"))
MODELS = Path(os.environ.get("MADRIGAL_MODELS", DATA.parent / "models"))
MODEL = {"base": str(MODELS / "tinystories-260k"), "adapter": "full", "context": 256}
# What every study leaves out to be quick: nothing of it changes what is learnt.
PLAIN = {"curate": "none"}
MEASURED = {"base": False, "draws": 200}
SEEDS = (0, 1, 2)
Row = dict[str, Any]


def madrigal(*words: object) -> None:
    """One call of the command line; an error ends the study."""
    print(f"$ madrigal {' '.join(map(str, words))}", flush=True)
    done = subprocess.run([sys.executable, "-m", "madrigal", *map(str, words)], capture_output=True)
    if done.returncode:
        sys.exit(done.stdout.decode()[-2000:] + done.stderr.decode()[-2000:])


def trained(folder: Path, recipe: Mapping[str, Any]) -> Path:
    """The folder of a run of a recipe, which is made where it is not there."""
    if not (folder / "report.html").exists():
        run(load_recipe(written(folder.with_suffix(".yaml"), recipe)), folder, folder.exists())
    return folder


def written(path: Path, recipe: Mapping[str, Any]) -> Path:
    """A file of settings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(dict(recipe), sort_keys=False), encoding="utf-8")
    return path


def predicted(run: Path, task: str, stage: str = "") -> list[Prediction]:
    """What a stage of a run, or its last one, says to a task, always in the same order."""
    stages = [one.name for one in (run / "predictions").iterdir() if one.name[0].isdigit()]
    rows = read_predictions(run / "predictions" / (stage or max(stages)) / f"{task}.jsonl")
    return sorted(rows, key=lambda row: row.id)


def read(path: Path) -> list[Row]:
    """The rows of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Rows as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    return path


def points(score: SeedScore, sign: str = "") -> str:
    """The interval of a share, in points."""
    low, high = (format(100 * end, f"{sign}.1f") for end in (score.low, score.high))
    return f"{low} to {high}"
