"""A tiny recipe to sweep: seconds a trial, one knob that matters and others that do not."""

import copy
import json
from pathlib import Path

import yaml

import tiny_run

SPACE = """\
minimise: tasks.lines
sampler: random
trials: 4
seed: 1
search:
  stages.together.optimiser.learning_rate: {low: 1e-5, high: 1e-1, scale: log}
  stages.together.balance: [mean, {kind: fixed, weights: {mood: 1.0, echo: 2.0}}]
  stages.after.steps: {low: 1, high: 3}
"""


def keys() -> dict:
    """The recipe of `tiny_run` with the shortest stages, and a text to watch, whose perplexity
    tells any two models apart."""
    found = copy.deepcopy(tiny_run.keys())
    found["stages"][0] |= {"steps": 2, "validate_every": 2, "checkpoint_every": 1}
    found["stages"][1] |= {"steps": 2, "checkpoint_every": 1}
    found["tasks"]["lines"] = {"data": {"train": "lines.txt", "split": {"validation": 0.3}}}
    found["evaluate"] = {"base": False, "draws": 200, "general": ["lines"]}
    return found


def write(folder: Path, recipe: dict | None = None, space: str = SPACE) -> None:
    """Data, recipe.yaml and sweep.yaml."""
    tiny_run.write_data(folder)
    lines = (f"a {word} evening by the mill, door {n}" for n in range(40) for word in tiny_run.GOOD)
    (folder / "lines.txt").write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    text = yaml.safe_dump(recipe or keys(), sort_keys=False)
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    (folder / "sweep.yaml").write_text(space, encoding="utf-8")


def trials(out: Path) -> list[dict]:
    """trial.json of every trial, without what a clock says."""
    files = sorted(out.glob("trials/*/trial.json"))
    return [json.loads(file.read_text()) | {"seconds": None} for file in files]
