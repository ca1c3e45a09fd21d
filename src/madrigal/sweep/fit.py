"""Whether a recipe takes the values that a knob may have."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from madrigal.errors import RecipeError
from madrigal.recipe.expand import expand
from madrigal.recipe.load import LoadedRecipe, load_recipe
from madrigal.recipe.node import Key, KeyPath, node_of
from madrigal.recipe.override import place_of
from madrigal.recipe.schema import Recipe
from madrigal.recipe.shape import Shape, shape_of
from madrigal.sweep.knob import Choices, Knob, Range, overrides

# Keys that say where a run is and what it is called, not what it does.
_OWN = {"name": "every trial has a folder of its own", "evaluate.split": "write `score_on`"}


def place_in(knob: Knob, loaded: LoadedRecipe) -> Knob:
    """The knob, of whole numbers where the recipe's schema takes only those.

    Raises:
        RecipeError: the recipe has no such place, or a range stands where no number may.
    """
    if knob.key in _OWN:
        raise RecipeError(f"cannot be searched; {_OWN[knob.key]}")
    _, here = _place(knob.key, loaded)
    if not isinstance(knob, Range) or here is None or float in here.scalars:
        return knob
    if int not in here.scalars:
        raise RecipeError("a range where no number may stand; list the values, as [a, b]")
    for name in ("low", "high", "step"):
        value = getattr(knob, name)
        if value is not None and value != int(value):
            raise RecipeError(f"{name} is {value:g}, and only whole numbers may stand here")
    return replace(knob, whole=True)


def refused_values(knob: Knob, recipe: Path, given: Sequence[str], root: Path) -> Iterator[str]:
    """What the recipe says against single values of a knob, the other knobs as they stand."""
    told: dict[str, None] = {}
    for value in knob.ends():
        try:
            load_recipe(recipe, [*given, *overrides({knob.key: value})], root)
        except RecipeError as error:
            told |= dict.fromkeys(error.mistakes)
    for mistake in told:
        yield mistake.removeprefix("--set ")


def set_twice(
    knobs: Sequence[Knob], given: Sequence[str], loaded: LoadedRecipe
) -> Iterator[tuple[str, str]]:
    """Knobs that undo what a `--set` or an earlier knob set, and which.

    One that sets a part of what an earlier one set as a whole does not: `model.adapter: [...]`,
    then `model.adapter.rank: [...]`.
    """
    before: list[tuple[str, KeyPath]] = []
    for text in given:
        key = text.partition("=")[0].strip()
        before.append((f"--set {key}", _path(key, loaded)))
    for knob in knobs:
        path = _path(knob.key, loaded)
        yield from ((knob.key, name) for name, other in before if other[: len(path)] == path)
        before.append((knob.key, path))


def own_values(
    knobs: Sequence[Knob], recipe: Path, given: Sequence[str], loaded: LoadedRecipe
) -> dict[str, Any]:
    """What the recipe itself says where the knobs are; the choice that gives the same recipe."""
    found: dict[str, Any] = {}
    for knob in knobs:
        value: Any = loaded.recipe.model_dump(mode="json")
        for key in _path(knob.key, loaded):
            value = _below(value, key)
        for choice in knob.values if isinstance(knob, Choices) else ():
            text = overrides({knob.key: choice})
            if load_recipe(recipe, [*given, *text], loaded.root).recipe == loaded.recipe:
                value = choice
        found[knob.key] = value
    return found


def _below(value: Any, key: Key) -> Any:
    if isinstance(value, dict):
        return value.get(key)
    return value[key] if isinstance(value, list) and isinstance(key, int) else None


def _path(key: str, loaded: LoadedRecipe) -> KeyPath:
    return _place(key, loaded)[0]


def _place(key: str, loaded: LoadedRecipe) -> tuple[KeyPath, Shape | None]:
    shape = shape_of(Recipe)
    return place_of(expand(node_of(loaded.recipe.model_dump(), ""), shape), shape, key)
