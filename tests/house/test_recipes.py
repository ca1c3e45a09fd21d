"""Every shipped recipe can be read."""

import os
from pathlib import Path

import pytest

from madrigal.recipe.load import load_recipe

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))


def test_recipes_are_found():
    assert ROOT / "recipes" / "quickstart.yaml" in RECIPES


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_loads(path, monkeypatch):
    # Loading a recipe does not open its data, so any folder will do.
    monkeypatch.setenv("MADRIGAL_DATA", os.fspath(path.parent))
    loaded = load_recipe(path, [])
    assert {name for stage in loaded.recipe.stages for name in stage.learn} <= set(
        loaded.recipe.tasks
    )
