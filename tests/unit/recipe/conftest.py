"""A small recipe that passes, and loading with changes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from madrigal.recipe.load import LoadedRecipe, load_recipe

GOOD = """\
name: good
model: {base: madrigal/base-xs, adapter: {kind: lora, rank: 4}}
tasks:
  mood: {data: mood.jsonl, labels: [yes, no], prompt: "Is it?\\n{text}"}
  talk: {data: {train: [a.txt, b.txt], format: text}}
  watch: {data: w.txt}
stages:
  - name: one
    learn: [mood, talk]
    steps: 10
    mixture: temperature
  - name: two
    learn: mood
    epochs: 2
evaluate: {general: watch}
"""

Load = Callable[..., LoadedRecipe]


@pytest.fixture
def good() -> str:
    return GOOD


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def loads(*overrides: str, text: str = GOOD) -> LoadedRecipe:
        path = tmp_path / "good.yaml"
        path.write_text(text, encoding="utf-8")
        return load_recipe(path, overrides)

    return loads
