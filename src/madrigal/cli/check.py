"""`madrigal check RECIPE`."""

from collections.abc import Sequence
from pathlib import Path

from madrigal.cli.located import located
from madrigal.recipe.load import load_recipe


def check_recipe(recipe: Path, overrides: Sequence[str]) -> None:
    """Loads everything and shows what a run would do."""
    loaded = load_recipe(recipe, overrides)
    from madrigal.pipeline.check import check

    with located(loaded):
        check(loaded)
