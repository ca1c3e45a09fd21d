"""Loading, origins, and the resolved recipe."""

from collections.abc import Callable
from pathlib import Path

import pytest

from madrigal.errors import RecipeError
from madrigal.recipe.load import LoadedRecipe, dump_resolved, load_recipe, loaded
from madrigal.recipe.loaded import leaves
from madrigal.recipe.model import ModelSettings, NewModel
from madrigal.recipe.node import dotted
from madrigal.recipe.schema import Recipe

Load = Callable[..., LoadedRecipe]


def test_the_text_is_kept_as_written_and_the_root_is_the_folder(load: Load, good: str, tmp_path):
    found = load()
    assert found.text == good
    assert found.root == tmp_path.resolve()


def test_labels_called_yes_and_no_stay_words(load: Load):
    assert load().recipe.tasks["mood"].labels == ("yes", "no")


def test_short_forms(load: Load):
    recipe = load().recipe
    assert recipe.tasks["watch"].data.train == "w.txt"
    assert recipe.tasks["talk"].data.train == ("a.txt", "b.txt")
    assert recipe.stages[0].mixture.kind == "temperature"
    assert recipe.stages[1].learn == ("mood",)
    assert recipe.evaluate.general == ("watch",)


def test_a_list_of_files_is_a_short_form_of_data(load: Load, good: str):
    text = good.replace("{data: w.txt}", "{data: [w.txt, v.txt]}")
    assert load(text=text).recipe.tasks["watch"].data.train == ("w.txt", "v.txt")


def test_a_fresh_model_has_a_default_shape(load: Load, good: str):
    text = good.replace(
        "{base: madrigal/base-xs, adapter: {kind: lora, rank: 4}}", "{base: new, adapter: full}"
    )
    assert load(text=text).recipe.model.new == NewModel()
    assert ModelSettings.model_validate("new").new == NewModel()


def test_every_key_has_its_origin(load: Load):
    found = load("seed=5", "tasks.mood.labels.0=y", "stages.two.batch.tokens=99")
    assert set(found.origins) == {dotted(path) for path, _ in leaves(found.recipe)}
    expected = {
        "name": "recipe",
        "seed": "--set",
        "determinism": "default",
        "model.adapter.rank": "recipe",
        "model.adapter.alpha": "default",
        "tasks.mood.data.train": "recipe",
        "tasks.mood.labels": "--set",
        "tasks.mood.prompt": "recipe",
        "tasks.mood.data.columns": "default",
        "stages[0].mixture.kind": "recipe",
        "stages[0].mixture.temperature": "default",
        "stages[1].learn": "recipe",
        "stages[1].batch.tokens": "--set",
        "stages[1].batch.rows": "default",
        "stages[1].batch.microbatch_tokens": "default",
        "evaluate.general": "recipe",
        "track": "default",
    }
    assert {key: found.origins[key] for key in expected} == expected


def test_the_resolved_recipe_loads_to_the_same_again(load: Load, tmp_path: Path):
    found = load("seed=5", "stages.one.optimiser.epsilon=1e-9", "tasks.mood.system= # yes: {no}")
    path = tmp_path / "resolved.yaml"
    path.write_text(dump_resolved(found), encoding="utf-8")
    again = load_recipe(path)
    assert again.recipe == found.recipe
    assert set(again.origins.values()) == {"recipe"}


def test_the_resolved_recipe_says_where_each_value_came_from(load: Load):
    lines = dump_resolved(load("seed=5")).splitlines()
    assert "name: good  # recipe" in lines
    assert "seed: 5  # --set" in lines
    assert "determinism: repeatable  # default" in lines
    assert '    labels: ["yes", "no"]  # recipe' in lines
    assert '    prompt: "Is it?\\n{text}"  # recipe' in lines
    assert "  - name: one  # recipe" in lines
    assert "    steps: 10  # recipe" in lines


def test_a_mistake_that_another_room_finds_gets_its_line(load: Load, tmp_path: Path):
    found = load("tasks.talk.data.max_test=3")
    file = tmp_path / "good.yaml"
    cases = {
        "tasks.mood.metric: does not fit": f"{file}:4: tasks.mood.metric: does not fit",
        "tasks.mood: no labels": f"{file}:4: tasks.mood: no labels",
        "stages[1].learn[0]: x": f"{file}:13: stages[1].learn[0]: x",
        "tasks.talk.data.max_test: 3 are few": "--set tasks.talk.data.max_test=3: "
        "tasks.talk.data.max_test: 3 are few",
        "mood.jsonl:3: no field 'label'": "mood.jsonl:3: no field 'label'",
        "seedy: x": "seedy: x",
    }
    assert {given: found.located(given) for given in cases} == cases


def test_a_recipe_made_in_python_is_checked_too():
    stage = {"name": "one", "learn": ["b"], "steps": 3}
    recipe = Recipe.model_validate({"name": "x", "tasks": {"a": {"data": "a"}}, "stages": [stage]})
    with pytest.raises(RecipeError) as caught:
        loaded(recipe)
    assert caught.value.mistakes == (
        "recipe: stages[0].learn[0]: no task is called 'b'; tasks: 'a'",
    )


def test_a_recipe_made_in_python_is_loaded(load: Load, tmp_path: Path):
    recipe = load().recipe
    found = loaded(recipe, tmp_path)
    assert found.recipe is recipe
    assert found.root == tmp_path.resolve()


def test_settings_are_frozen(load: Load):
    with pytest.raises(ValueError, match="frozen"):
        load().recipe.seed = 3  # type: ignore[misc]
