"""The recipe of a command, or everything that can be told of it without reading data."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from madrigal.errors import DataError, RecipeError
from madrigal.recipe.load import LoadedRecipe, load_recipe, named_files


def load_or_tell(path: Path, overrides: Sequence[str]) -> LoadedRecipe:
    """The recipe, checked.

    Raises:
        RecipeError: with every mistake of the recipe, and behind them the data files that it names
            and that are not there, so that nobody meets those only when the rest is right.
    """
    try:
        return load_recipe(path, overrides)
    except RecipeError as error:
        raise RecipeError([*error.mistakes, *_missing(path, overrides)]) from error


def _missing(path: Path, overrides: Sequence[str]) -> Iterator[str]:
    from madrigal.tasks.find import find_files

    try:
        files = named_files(path, overrides)
    except RecipeError:  # no recipe at all, which has been told
        return
    for name in files:
        try:
            find_files(name, path.parent)
        except DataError as error:
            yield from error.mistakes
