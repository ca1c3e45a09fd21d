"""Mistakes that other rooms find, with the line of the recipe that they speak of."""

from collections.abc import Iterator
from contextlib import contextmanager

from madrigal.errors import UserMistake
from madrigal.recipe.load import LoadedRecipe


@contextmanager
def located(loaded: LoadedRecipe) -> Iterator[None]:
    """Puts `recipe.yaml:12: ` before every mistake that begins with a key of the recipe."""
    try:
        yield
    except UserMistake as error:
        raise type(error)(loaded.located(mistake) for mistake in error.mistakes) from error
