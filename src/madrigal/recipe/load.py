"""From a recipe file to a `Recipe`, or to all its mistakes at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from madrigal.errors import RecipeError
from madrigal.recipe.consistency import inconsistencies
from madrigal.recipe.expand import expand
from madrigal.recipe.explain import explain
from madrigal.recipe.node import KeyPath, Mistake, Node, dotted, node_of
from madrigal.recipe.override import override
from madrigal.recipe.parse import parse
from madrigal.recipe.schema import Recipe
from madrigal.recipe.shape import Shape, shape_of
from madrigal.recipe.source import read_recipe

Origin = Literal["recipe", "--set", "default"]


@dataclass(frozen=True, slots=True)
class LoadedRecipe:
    """A recipe with what is needed to say where it came from.

    Relative paths of data and models are relative to `root`. `origins` has an entry for every key
    of the resolved recipe, `stages[0].optimiser.clip` for example. `text` is the recipe as written.
    """

    recipe: Recipe
    root: Path
    origins: Mapping[str, Origin]
    text: str


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Reads, overrides and checks a recipe.

    Each of `overrides` is what stands behind `--set`: `stages.together.steps=10`.

    Raises:
        RecipeError: with every mistake of the recipe and of the overrides.
    """
    path = Path(path)
    text = read_recipe(path)
    root, mistakes = parse(text, str(path))
    if root.value is None and not mistakes:
        cure = "`madrigal init FILES...` writes a recipe to start from"
        raise RecipeError(f"{path}: empty; {cure}")
    if not isinstance(root.value, dict):
        raise RecipeError([str(mistake) for mistake in mistakes] or [_not_a_mapping(root, path)])
    shape = shape_of(Recipe)
    root = expand(root, shape)
    for one in overrides:
        root, more = override(root, shape, one)
        mistakes += more
    recipe = _checked(root, shape, mistakes)
    return LoadedRecipe(recipe, path.parent.resolve(), _origins(recipe, root), text)


def loaded(recipe: Recipe, root: str | Path = ".") -> LoadedRecipe:
    """A recipe that was made in Python, checked as one from a file is."""
    tree = node_of(recipe.model_dump(), "recipe")
    _checked(tree, shape_of(Recipe), [])
    return LoadedRecipe(recipe, Path(root).resolve(), _origins(recipe, tree), "")


def leaves(recipe: Recipe) -> list[tuple[KeyPath, Any]]:
    """Path and value of every key of the resolved recipe; a list of plain values is one value."""
    found: list[tuple[KeyPath, Any]] = []

    def visit(value: Any, path: KeyPath) -> None:
        nested = isinstance(value, tuple) and any(isinstance(part, dict) for part in value)
        if not value or not (nested or isinstance(value, dict)):
            found.append((path, value))
            return
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            visit(child, (*path, key))

    visit(recipe.model_dump(), ())
    return found


def _checked(root: Node, shape: Shape, mistakes: list[Mistake]) -> Recipe:
    recipe = None
    try:
        recipe = Recipe.model_validate(root.plain())
    except ValidationError as error:
        parsed = {mistake.node.path for mistake in mistakes}
        more = explain(error, root, shape)
        mistakes = mistakes + [mistake for mistake in more if mistake.node.path not in parsed]
    told = {mistake.node.path for mistake in mistakes}
    mistakes = mistakes + [more for more in inconsistencies(root) if more.node.path not in told]
    if mistakes or recipe is None:
        raise RecipeError(dict.fromkeys(str(mistake) for mistake in _in_order(mistakes, root)))
    return recipe


def _in_order(mistakes: list[Mistake], root: Node) -> list[Mistake]:
    """As the places stand in the file, and those of `--set` behind them."""
    order = {node.path: index for index, node in enumerate(root.walk())}

    def place(mistake: Mistake) -> tuple[bool, int]:
        path = mistake.node.path
        while path and path not in order:
            path = path[:-1]
        return mistake.node.where.startswith("--set "), order.get(path, 0)

    return sorted(mistakes, key=place)


def _origins(recipe: Recipe, root: Node) -> dict[str, Origin]:
    return {dotted(path): _origin(root.get(*path)) for path, _ in leaves(recipe)}


def _origin(node: Node) -> Origin:
    if any(part.set_path and part.present for part in node.walk()):
        return "--set"
    return "recipe" if node.present else "default"


def _not_a_mapping(root: Node, path: Path) -> str:
    found = "a list" if isinstance(root.value, list) else "plain text"
    needed = "a recipe is a mapping that starts with `name:`"
    if path.suffix in (".yaml", ".yml"):
        return f"{root.where}: {found} where {needed}"
    return f"{root.where}: {found} where {needed}; is this a data file? `madrigal init` takes those"
