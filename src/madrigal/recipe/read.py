"""Files of settings that are no recipes, read as strictly: every mistake with its line."""

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from madrigal.errors import RecipeError
from madrigal.recipe.expand import expand
from madrigal.recipe.explain import explain
from madrigal.recipe.parse import parse
from madrigal.recipe.settings import Settings
from madrigal.recipe.shape import shape_of
from madrigal.recipe.source import read_recipe

Kind = TypeVar("Kind", bound=Settings)


def read_settings(path: Path, model: type[Kind], name: str = "") -> Kind:
    """The settings in a YAML file; messages call it `name`, or by its path.

    Raises:
        RecipeError: with every mistake of the file.
    """
    title = name or str(path)
    tree, mistakes = parse(read_recipe(path), title)
    if not isinstance(tree.value, dict):
        told = [str(mistake) for mistake in mistakes]
        raise RecipeError(told or f"{title}: holds no keys; write `key: value` lines")
    shape = shape_of(model)
    tree = expand(tree, shape)
    try:
        found = model.model_validate(tree.plain())
    except ValidationError as error:
        mistakes += explain(error, tree, shape)
        found = None
    if mistakes or found is None:
        raise RecipeError(dict.fromkeys(map(str, mistakes)))
    return found
