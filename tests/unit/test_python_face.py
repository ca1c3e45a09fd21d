"""What `import madrigal` offers, and that it costs nothing until it is used."""

import subprocess
import sys
from pathlib import Path

import pytest

import madrigal
from madrigal.errors import RecipeError


def test_importing_it_imports_no_room():
    program = "import sys, madrigal; print(*(m for m in sys.modules if m.startswith('madrigal.')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == []


def test_every_name_leads_somewhere():
    assert set(madrigal.__all__) <= set(dir(madrigal))
    for name in madrigal.__all__:
        assert callable(getattr(madrigal, name)), name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'madrigal' has no attribute 'runn'"):
        madrigal.runn  # noqa: B018


def test_a_recipe_file_is_checked_with_its_overrides(tmp_path: Path):
    recipe = tmp_path / "r.yaml"
    recipe.write_text("{name: a, tasks: {t: t.csv}, stages: []}", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"r\.yaml:1: tasks\.t: found the text 't\.csv'"):
        madrigal.run(recipe, overrides=["seed=1"])


def test_an_object_takes_no_overrides():
    recipe = madrigal.Recipe.model_validate(
        {"name": "a", "tasks": {"t": {"data": "t"}}, "stages": []}
    )
    with pytest.raises(TypeError, match="model_copy"):
        madrigal.run(recipe, overrides=["seed=1"])
