"""Strict YAML that is no recipe: the same reading, the same sentences, a schema of its own."""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from madrigal.errors import RecipeError
from madrigal.recipe.expand import expand
from madrigal.recipe.explain import explain
from madrigal.recipe.node import Mistake, Node
from madrigal.recipe.parse import parse
from madrigal.recipe.settings import Settings
from madrigal.recipe.shape import shape_of
from madrigal.recipe.source import read_recipe

_Of = TypeVar("_Of", bound=Settings)


def read_tree(path: Path, what: str) -> Node:
    """The file as a mapping of nodes, each with its line.

    Raises:
        RecipeError: there is no such file, it is no YAML, or no mapping; `what` is what it should
            be, as `a sweep`.
    """
    tree, mistakes = parse(read_recipe(path), str(path))
    if mistakes:
        raise RecipeError(str(mistake) for mistake in mistakes)
    if not isinstance(tree.value, dict):
        found = "empty" if tree.value is None else "no mapping"
        raise RecipeError(f"{path}: {found}; {what} is a mapping of keys to values")
    return tree


def settings_of(tree: Node, model: type[_Of]) -> tuple[_Of | None, list[Mistake]]:
    """The tree as settings, short forms expanded, or what is wrong with it."""
    shape = shape_of(model)
    tree = expand(tree, shape)
    try:
        return model.model_validate(tree.plain()), []
    except ValidationError as error:
        return None, explain(error, tree, shape)


def without(tree: Node, keys: Iterable[str]) -> Node:
    """A mapping without some of its keys."""
    left = {key: child for key, child in tree.entries() if key not in set(keys)}
    return Node(tree.path, tree.where, left)
