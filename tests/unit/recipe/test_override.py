"""`--set`: paths, values, origins, mistakes."""

from collections.abc import Callable

import pytest

from madrigal.errors import RecipeError
from madrigal.recipe.load import LoadedRecipe
from madrigal.recipe.model import FullAdapter, LoraAdapter

Load = Callable[..., LoadedRecipe]


def mistake(load: Load, *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        load(*overrides)
    return str(caught.value)


def test_a_stage_is_named_by_number_brackets_or_name(load: Load):
    for key in ("stages.0.steps", "stages[0].steps", "stages.one.steps"):
        assert load(f"{key}=77").recipe.stages[0].steps == 77


def test_the_last_of_two_wins(load: Load):
    assert load("seed=1", "seed=2").recipe.seed == 2


def test_a_short_form_can_be_set_into(load: Load):
    loaded = load("stages.one.mixture.temperature=5.0")
    assert loaded.recipe.stages[0].mixture.model_dump()["temperature"] == 5.0
    assert loaded.origins["stages[0].mixture.temperature"] == "--set"
    assert loaded.origins["stages[0].mixture.kind"] == "recipe"


def test_a_place_that_is_left_out_takes_its_default_kind(load: Load, good: str):
    text = good.replace("adapter: {kind: lora, rank: 4}", "chat_template: true")
    loaded = load("model.adapter.rank=9", text=text)
    assert loaded.recipe.model.adapter == LoraAdapter(rank=9)
    assert loaded.origins["model.adapter.kind"] == "default"


def test_a_whole_mapping_can_be_replaced(load: Load):
    assert load("model.adapter=full").recipe.model.adapter == FullAdapter()
    loaded = load("stages.one.batch={tokens: 64}")
    assert loaded.recipe.stages[0].batch.tokens == 64
    assert loaded.recipe.stages[0].batch.rows is None


def test_null_clears(load: Load):
    stage = load("stages.one.steps=null", "stages.one.epochs=1.5").recipe.stages[0]
    assert (stage.steps, stage.epochs) == (None, 1.5)


def test_a_task_can_be_added(load: Load):
    loaded = load("tasks.new.data=n.csv", "stages.one.learn=[mood, new]")
    assert loaded.recipe.tasks["new"].data.train == "n.csv"


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("Review: {text}", "Review: {text}"),
        ("{text}", "{text}"),
        ('"two\\nlines"', "two\nlines"),
        ("two\\nlines", "two\\nlines"),
        ("123", "123"),
        ("a=b", "a=b"),
        ("# not a comment?", "# not a comment?"),
    ],
)
def test_where_only_text_may_stand_it_is_taken_as_it_is(load: Load, given: str, taken: str):
    assert load(f"tasks.mood.prompt={given}").recipe.tasks["mood"].prompt == taken


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("stages.0.stps=3", "unknown key; did you mean 'steps'?"),
        ("stages.0.steps=many", "found the text 'many'; must be a whole number"),
        ("stages.oen.steps=3", "stages has no element 'oen'; did you mean 'one'?"),
        ("stages.9.steps=3", "stages has no element '9'; there are: 'one', 'two'"),
        ("seed", "no 'key=value'; write --set stages.0.steps=10"),
        ("=3", "no 'key=value'; write --set stages.0.steps=10"),
        ("name.first=x", "name is 'good', not a mapping; set it as a whole"),
        ("modell.base=x", "modell: unknown key; did you mean 'model'?"),
        ("stages.0.lr.x=3", "stages[0].lr: unknown key here; did you mean "
         "'optimiser.learning_rate'?"),
        ("seed=[1", "not valid YAML: a list that opens with '[' lacks a comma or its ']' "
         "(column 1)"),
        ("model={base: x, base: y}", "model.base: stands twice; rename or remove one"),
        ("model={bse: x}", "model.bse: unknown key; did you mean 'base'?"),
        ("tasks.new.weight=2", "tasks.new.data: missing: where the examples are"),
        ("stages.0.learn=mod", "stages[0].learn[0]: no task is called 'mod'; did you mean 'mood'?"),
        ("stages.0.mixture=temp", "unknown kind 'temp'; did you mean 'temperature'?"),
        ("model.adapter=null", "found nothing; must be one of the kinds "
         "'lora', 'full'; write a value or remove the key"),
    ],
)  # fmt: skip
def test_a_wrong_set_says_which_and_why(load: Load, given: str, line: str):
    assert f"--set {given}: {line}" in mistake(load, given).splitlines()


def test_all_mistakes_of_file_and_command_line_come_together(load: Load, good: str):
    text = good.replace("steps: 10", "stpes: 10")
    with pytest.raises(RecipeError) as caught:
        load("sed=3", "stages.two.epochs=-1", text=text)
    lines = [line.split(": ", 1)[1] for line in caught.value.mistakes]
    assert lines == [
        "stages[0]: neither `steps` nor `epochs` is given; write one of them",
        "stages[0].stpes: unknown key; did you mean 'steps'?",
        "found -1; must be above 0 (passes over all examples of the stage's tasks together, "
        "instead of `steps`)",
        "unknown key; did you mean 'seed'?",
    ]
