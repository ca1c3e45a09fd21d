"""`madrigal run RECIPE`."""

from collections.abc import Sequence
from pathlib import Path

from madrigal.cli.first_look import load_or_tell
from madrigal.cli.located import located


def run_recipe(recipe: Path, overrides: Sequence[str], out: Path | None, resume: bool) -> None:
    """Loads the recipe, then trains, evaluates and reports."""
    loaded = load_or_tell(recipe, overrides)
    from madrigal.pipeline.run import run

    with located(loaded):
        run(loaded, out or Path("runs") / loaded.recipe.name, resume)
