"""Every recipe that is shipped or shown can be read."""

import os
import re
from pathlib import Path

import pytest

from madrigal.experience.constitution import read_constitution, revising
from madrigal.recipe.load import load_recipe
from madrigal.recipe.read import read_settings
from madrigal.recipe.revision import RevisionSettings

ROOT = Path(__file__).parents[2]
YAML = sorted((ROOT / "recipes").rglob("*.yaml"))
REVISIONS = [path for path in YAML if path.name == "revise.yaml"]
RECIPES = [path for path in YAML if path not in REVISIONS]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Whole recipes, and parts that show tasks.
SHOWN = [
    pytest.param(block, id=f"{path.relative_to(ROOT)}:{number}")
    for path in PAGES
    for number, block in enumerate(
        re.findall(r"^```yaml\n((?:name|tasks):.*?)^```$", path.read_text("utf-8"), re.M | re.S), 1
    )
]


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


@pytest.mark.parametrize("path", REVISIONS, ids=lambda path: path.parent.name)
def test_settings_of_constitutions_load(path):
    settings = read_settings(path, RevisionSettings)
    assert revising(read_constitution(settings.constitution, path.parent))


def test_shown_recipes_are_found():
    assert len(SHOWN) >= 3


@pytest.mark.parametrize("block", SHOWN)
def test_a_recipe_on_a_page_loads(block, tmp_path):
    path = tmp_path / "recipe.yaml"
    whole = block if block.startswith("name:") else f"name: shown\nstages: []\n{block}"
    path.write_text(whole, encoding="utf-8")
    assert load_recipe(path, []).recipe.tasks
