"""The run folder: where everything of a run stands, and that one run at a time writes there."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from madrigal.errors import RecipeError, RunFolderError
from madrigal.recipe.load import LoadedRecipe, load_recipe
from madrigal.recipe.schema import Recipe
from madrigal.training.files import write_whole

DONE = "done.json"  # in the folder of a stage, once it is over
_LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Names of the files of a run; the only place that knows them, beside the report."""

    path: Path

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.yaml"

    @property
    def manifest(self) -> Path:
        return self.path / "manifest.json"

    @property
    def scores(self) -> Path:
        return self.path / "scores.json"

    @property
    def tokenizer(self) -> Path:
        return self.path / "tokenizer"

    @property
    def data(self) -> Path:
        return self.path / "data"

    def foreign(self) -> str | None:
        """Something that stands here and that no run wrote before its recipe; None if nothing."""
        if self.path.exists() and not self.path.is_dir():
            return self.path.name
        found = self.path.iterdir() if self.path.exists() else ()
        own = {_LOCK, self.recipe.name, f"{self.recipe.name}.aside"}
        return min((path.name for path in found if path.name not in own), default=None)

    def stage(self, number: int, name: str) -> Path:
        """Folder of a stage, numbered from 1."""
        return self.path / "stages" / stage_label(number, name)

    @property
    def before(self) -> Path:
        """Folder of what is kept of the run that this one goes on from."""
        return self.path / "stages" / "00-before"

    def baseline(self, task: str) -> Path:
        """Folder of the single-task model of a task."""
        return self.path / "baselines" / task

    @property
    def riding(self) -> Path:
        """Folder of what single-task models that are trained together need to go on."""
        return self.path / "baselines" / ".together"

    def predictions(self, label: str, task: str) -> Path:
        """Predictions of `label` (base, few-shot, 01-together, single) on a task."""
        return self.path / "predictions" / label / f"{task}.jsonl"

    def divergences(self, label: str, task: str) -> Path:
        """KL to the base after the stage `label`, on the examples of a task."""
        return self.path / "kl" / label / f"{task}.jsonl"

    def from_reference(self, label: str, task: str) -> Path:
        """The same to the model as the stage `label` began."""
        return self.path / "kl" / "reference" / label / f"{task}.jsonl"

    def written(self, label: str, task: str) -> Path:
        """What the model of `label` (base, 01-together) wrote to prompts of a task."""
        return self.path / "written" / label / f"{task}.jsonl"

    def write_json(self, path: Path, body: Any) -> None:
        """Write JSON whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(body, indent=1, ensure_ascii=False) + "\n")


def stage_label(number: int, name: str) -> str:
    """`01-together`: the name of a stage in files and tables."""
    return f"{number:02d}-{name}"


def stage_labels(recipe: Recipe) -> list[str]:
    """Labels of all stages in order."""
    return [stage_label(number, stage.name) for number, stage in enumerate(recipe.stages, 1)]


def recipe_of(run: Path) -> LoadedRecipe:
    """The recipe of a run, with the folder at which the relative paths of its data start.

    Raises:
        RunFolderError: not a run folder, or one with a recipe that no run wrote.
    """
    file = run / "recipe.yaml"
    if not file.is_file():
        raise RunFolderError(f"{run}: no recipe.yaml; give the folder that `madrigal run` wrote")
    try:
        manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
        root = run / manifest["root"]
    except (OSError, ValueError, KeyError, TypeError):
        root = Path()
    try:
        return load_recipe(file, root=root)
    except RecipeError as error:
        first, *more = error.mistakes
        rest = f" (and {len(more)} more)" if more else ""
        raise RunFolderError(f"{run}: holds no recipe of a run: {first}{rest}") from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for this run; a second run in it is refused.

    The lock is the kernel's and goes with the process, so a killed run leaves none behind.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / _LOCK).open("w")
    except PermissionError as problem:
        raise RunFolderError(
            f"{folder}: this user may not write here; choose another --out"
        ) from problem
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            raise RunFolderError(
                f"{folder}: another run is writing here; wait for it or choose another --out"
            ) from problem
        yield
