"""Whatever text a recipe holds, its resolved form loads to the same recipe."""

import string
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from madrigal.recipe.dump import dump_resolved
from madrigal.recipe.load import load_recipe, loaded
from madrigal.recipe.schema import Recipe

# YAML cannot hold surrogates; everything else a prompt may hold.
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
names = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=8).filter(
    lambda name: name[0] not in "_-"
)
words = st.sampled_from(
    ["yes", "null", "1e3", "0x1", "~", "a: b", "# c", "- d", "*e", "{f}", "1:2"]
)
anything = texts | words


@settings(max_examples=30, deadline=None)
@given(
    name=names,
    prompt=anything,
    labels=st.lists(anything, min_size=2, max_size=4, unique=True),
    renamed=st.dictionaries(anything, anything, max_size=3),
    rate=st.floats(1e-12, 1.0),
    share=st.floats(1e-6, 1e6),
)
def test_dump_and_load(name, prompt, labels, renamed, rate, share):
    recipe = Recipe.model_validate(
        {
            "name": name,
            "tasks": {
                name: {
                    "data": {"train": "t.jsonl", "columns": renamed},
                    "prompt": prompt,
                    "labels": labels,
                },
                f"{name}-2": {"data": "u.jsonl", "labels": dict.fromkeys(labels, "x") | {"y": "z"}},
            },
            "stages": [
                {
                    "name": name,
                    "learn": [name, f"{name}-2"],
                    "steps": 1,
                    "optimiser": {"learning_rate": rate},
                    "mixture": {"kind": "weights", "weights": {name: share, f"{name}-2": 1.0}},
                }
            ],
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yaml"
        path.write_text(dump_resolved(loaded(recipe)), encoding="utf-8", newline="")
        assert load_recipe(path).recipe == recipe
