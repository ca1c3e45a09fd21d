"""A loaded recipe: the settings, and where each of them came from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from madrigal.recipe.node import KeyPath
from madrigal.recipe.schema import Recipe

# A path of keys as messages write it, before its colon.
_KEY = re.compile(r"[a-z_]+(?:\.[\w-]+|\[\d+\])*(?=: )")

Origin = Literal["recipe", "--set", "default"]


@dataclass(frozen=True, slots=True)
class LoadedRecipe:
    """A recipe with what is needed to say where it came from.

    Relative paths of data and models are relative to `root`. `origins` has an entry for every key
    of the resolved recipe, `stages[0].optimiser.clip` for example. `text` is the recipe as written.
    `places` says where each key was written, `recipe.yaml:12` or `--set seed=3`.
    """

    recipe: Recipe
    root: Path
    origins: Mapping[str, Origin]
    text: str
    places: Mapping[str, str] = field(default_factory=dict)

    def located(self, sentence: str) -> str:
        """The sentence with the line of the recipe before it, where it begins with a key of it.

        Rooms that know no file say `tasks.mood.metric: ...`; the user wants the line too.
        """
        match = _KEY.match(sentence)
        key = match[0] if match else ""
        while key and key not in self.places:
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return f"{self.places[key]}: {sentence}" if key else sentence


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
