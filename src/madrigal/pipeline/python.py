"""Runs from Python: a recipe as a file or as an object, nothing to be wired by hand."""

from collections.abc import Sequence
from pathlib import Path

from madrigal.pipeline.build import Built
from madrigal.pipeline.check import check as check_loaded
from madrigal.pipeline.run import run as run_loaded
from madrigal.recipe.load import LoadedRecipe, load_recipe, loaded
from madrigal.recipe.schema import Recipe

AnyRecipe = str | Path | Recipe | LoadedRecipe


def run(
    recipe: AnyRecipe,
    out: str | Path | None = None,
    resume: bool = False,
    overrides: Sequence[str] = (),
) -> Path:
    """Trains, evaluates and reports what a recipe says; returns the run folder.

    `out` left out: `runs/NAME`. `overrides` are as behind `--set`, for a recipe in a file. Relative
    paths in a `Recipe` object start at the current folder.

    Raises:
        UserMistake: the recipe, its data or its model are wrong; with every mistake.
        RunStopped: the run stopped itself; its last good checkpoint is kept.
    """
    found = _loaded(recipe, overrides)
    return run_loaded(found, Path(out) if out else Path("runs") / found.recipe.name, resume)


def check(recipe: AnyRecipe, overrides: Sequence[str] = ()) -> Built:
    """Loads everything, shows what a run would do, trains nothing and writes nothing."""
    return check_loaded(_loaded(recipe, overrides))


def _loaded(recipe: AnyRecipe, overrides: Sequence[str]) -> LoadedRecipe:
    if isinstance(recipe, str | Path):
        return load_recipe(recipe, overrides)
    if overrides:
        raise TypeError("overrides go with a recipe file; change an object with model_copy")
    return recipe if isinstance(recipe, LoadedRecipe) else loaded(recipe)
