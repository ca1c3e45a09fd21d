"""A run that another one may go on from: finished, whole, and Madrigal's own."""

import hashlib
import json
from pathlib import Path
from typing import Any

from madrigal.errors import RunFolderError
from madrigal.evaluation.prediction import read_predictions
from madrigal.pipeline.folder import DONE, RunFolder, recipe_of, stage_labels
from madrigal.pipeline.former import finished_stages
from madrigal.pipeline.past import KEPT, read_quadratic, read_tensors
from madrigal.pipeline.trained import RESULTS
from madrigal.recipe.load import LoadedRecipe
from madrigal.retention.buffer import read_buffer
from madrigal.retention.router import read_router

_GO_ON = "go on with `madrigal run ... --resume`"
_ANEW = "take another run, or train this one anew"


def finished_run(run: Path) -> LoadedRecipe:
    """The recipe of a run once every file that a later run relies on was found whole.

    Weights are read when they are taken, see `find_start`.

    Raises:
        RunFolderError: it is no run folder, has not finished, or is damaged.
    """
    loaded, folder = recipe_of(run), RunFolder(run)
    labels = stage_labels(loaded.recipe)
    if not labels or finished_stages(run, loaded.recipe) != labels:
        raise RunFolderError(f"{run}: the run has not finished; {_GO_ON}")
    manifest = _json(folder.manifest)
    if manifest.get("recipe_sha256") != hashlib.sha256(folder.recipe.read_bytes()).hexdigest():
        raise RunFolderError(
            f"{run}: recipe.yaml is not the one that its manifest.json was written for; {_ANEW}"
        )
    if manifest.get("status") != "finished":
        raise RunFolderError(f"{run}: the run has not finished; {_GO_ON}")
    _scores(folder, labels[-1])
    for label in labels:
        _stage(run / "stages" / label)
    return loaded


def _json(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(body, dict):
            raise ValueError("no mapping")
    except (OSError, ValueError) as problem:
        gone = "is not there" if isinstance(problem, FileNotFoundError) else "is damaged"
        raise RunFolderError(f"{path}: {gone}, and a finished run has one; {_ANEW}") from problem
    return body


def _scores(folder: RunFolder, label: str) -> None:
    """The last row of the matrix, and the predictions that it is computed from."""
    rows = _json(folder.scores).get("rows")
    last = rows[-1] if isinstance(rows, list) and rows else {}
    tasks = last.get("scores") if isinstance(last, dict) and last.get("stage") == label else None
    if not isinstance(tasks, dict):
        raise RunFolderError(f"{folder.scores}: does not end with {label}; {_ANEW}")
    for task in tasks:
        read_predictions(folder.predictions(label, task))


def _stage(place: Path) -> None:
    """Its end, its result, and what it kept."""
    if not isinstance(_json(place / DONE).get("weights_of_step"), int):
        raise RunFolderError(
            f"{place / DONE}: is damaged, so nobody knows which weights the stage ended with; "
            f"{_ANEW}"
        )
    found = [place / kind for kind in RESULTS if (place / kind).is_dir()]
    if not found:
        raise RunFolderError(f"{place}: the stage's adapter or model is gone; {_ANEW}")
    for folder in found:
        _readable(folder)
    for file in sorted((place / KEPT).glob("*")):
        if file.name.startswith("ewc-"):
            read_quadratic(file)
        elif file.name.startswith("replay-"):
            read_buffer(file)
        elif file.name.startswith("router"):
            read_router(file)
        elif file.suffix == ".safetensors":
            read_tensors(file, file.stem)


def _readable(folder: Path) -> None:
    from safetensors import SafetensorError, safe_open

    files = sorted(folder.rglob("*.safetensors"))
    if not files:
        raise RunFolderError(f"{folder}: holds no weights any more; {_ANEW}")
    for file in files:
        try:
            with safe_open(file, framework="pt") as held:
                held.keys()
        except (OSError, SafetensorError) as problem:
            raise RunFolderError(f"{file}: is damaged; {_ANEW}") from problem
