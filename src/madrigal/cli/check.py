"""`madrigal check RECIPE`."""

from collections.abc import Sequence
from pathlib import Path

from madrigal.cli.first_look import load_or_tell
from madrigal.cli.located import located


def check_recipe(recipe: Path, overrides: Sequence[str]) -> None:
    """Loads everything and shows what a run would do."""
    loaded = load_or_tell(recipe, overrides)
    from madrigal.pipeline.check import check

    with located(loaded):
        check(loaded)
