"""From a recipe file to a `Recipe`, or to all its mistakes at once."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from madrigal.errors import RecipeError
from madrigal.recipe.consistency import inconsistencies
from madrigal.recipe.dump import dump_resolved
from madrigal.recipe.expand import expand
from madrigal.recipe.explain import explain
from madrigal.recipe.loaded import LoadedRecipe, Origin, leaves
from madrigal.recipe.node import Mistake, Node, dotted, node_of
from madrigal.recipe.override import override
from madrigal.recipe.parse import parse
from madrigal.recipe.schema import Recipe
from madrigal.recipe.shape import Shape, shape_of
from madrigal.recipe.source import read_recipe

__all__ = ["LoadedRecipe", "dump_resolved", "load_recipe", "loaded", "named_files"]


def load_recipe(
    path: str | Path, overrides: Sequence[str] = (), root: str | Path | None = None
) -> LoadedRecipe:
    """Reads, overrides and checks a recipe.

    Each of `overrides` is what stands behind `--set`: `stages.together.steps=10`. Relative paths
    in the recipe start at `root`; left out: at the recipe's own folder.

    Raises:
        RecipeError: with every mistake of the recipe and of the overrides.
    """
    path = Path(path)
    text = read_recipe(path)
    tree, mistakes = parse(text, str(path))
    if tree.value is None and not mistakes:
        cure = "`madrigal init FILES...` writes a recipe to start from"
        raise RecipeError(f"{path}: empty; {cure}")
    if not isinstance(tree.value, dict):
        raise RecipeError([str(mistake) for mistake in mistakes] or [_not_a_mapping(tree, path)])
    shape = shape_of(Recipe)
    tree, more = _overridden(tree, shape, overrides)
    mistakes += more
    recipe = _checked(tree, shape, mistakes)
    start = path.parent if root is None else Path(root)
    places = {dotted(node.path): node.where for node in tree.walk()}
    return LoadedRecipe(recipe, start.resolve(), _origins(recipe, tree), text, places)


def named_files(path: str | Path, overrides: Sequence[str] = ()) -> tuple[str, ...]:
    """Paths of data as the tasks of a recipe name them, as far as it can be read.

    For recipes that `load_recipe` refuses.
    """
    tree, _ = parse(read_recipe(Path(path)), str(path))
    tree, _ = _overridden(tree, shape_of(Recipe), overrides)
    found: list[str] = []
    for _, task in tree.get("tasks").entries():
        for split in ("train", "validation", "test"):
            node = task.get("data", split)
            found += [one.text for one in (node, *node.elements()) if one.text]
    return tuple(dict.fromkeys(found))


def _overridden(tree: Node, shape: Shape, overrides: Sequence[str]) -> tuple[Node, list[Mistake]]:
    """The tree in its long form with all `--set` in it, and what is wrong with these."""
    tree, mistakes = expand(tree, shape), []
    for one in overrides:
        tree, more = override(tree, shape, one)
        mistakes += more
    return tree, mistakes


def loaded(recipe: Recipe, root: str | Path = ".", overrides: Sequence[str] = ()) -> LoadedRecipe:
    """A recipe that was made in Python, overridden and checked as one from a file is."""
    tree, mistakes = node_of(recipe.model_dump(), "recipe"), []
    if overrides:
        tree, mistakes = _overridden(tree, shape_of(Recipe), overrides)
    checked = _checked(tree, shape_of(Recipe), mistakes)
    found = checked if overrides else recipe
    return LoadedRecipe(found, Path(root).resolve(), _origins(found, tree), "")


def _checked(root: Node, shape: Shape, mistakes: list[Mistake]) -> Recipe:
    recipe = None
    found = list(mistakes)
    try:
        recipe = Recipe.model_validate(root.plain())
    except ValidationError as error:
        found += _elsewhere(explain(error, root, shape), found)
    for one in inconsistencies(root):
        found += _elsewhere([one], found)
    if found or recipe is None:
        raise RecipeError(dict.fromkeys(str(mistake) for mistake in _in_order(found, root)))
    return recipe


def _elsewhere(mistakes: Sequence[Mistake], told: Sequence[Mistake]) -> list[Mistake]:
    """Those at places of which nothing is told yet: what follows from a mistake is not one."""
    places = {mistake.node.path for mistake in told}
    return [mistake for mistake in mistakes if mistake.node.path not in places]


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
