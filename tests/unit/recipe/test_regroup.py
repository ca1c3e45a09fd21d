"""A recipe with groups, written into the words of the recipe it comes from."""

import pytest

from madrigal.recipe.load import load_recipe
from madrigal.recipe.regroup import named_groups, regrouped, why_not, write_regrouped

REST = """\
tasks:
  a: {data: a.jsonl} # first
  b: {data: b.jsonl}
  c: {data: c.jsonl}
  d: {data: d.jsonl}
stages:
  - {name: one, learn: [a, b, c], steps: 40} # short
  - {name: two, learn: [d], steps: 40}
"""
MODELS = {
    "none": "",
    "word": "model: madrigal/base-xs # bundled\n",
    "flow": "model: {base: madrigal/base-xs, adapter: {kind: lora, rank: 8, dropout: 0.1}} # x\n",
    "flow without": "model: {base: madrigal/base-xs}\n",
    "block": "model:\n  # the base\n  base: madrigal/base-xs\n  adapter:\n    kind: lora\n"
    "    rank: 8 # eight\n  # why not\n  context: 64\n",
    "block without": "model:\n  # the base\n  base: madrigal/base-xs\n  context: 64 # short\n",
    "bare": "model:\n        adapter: lora\n        base: madrigal/base-xs\n",
    "all keys": "model:\n  adapter: {kind: lora, rank: 3, layers: [1, 2], alpha: 3.5, "
    "targets: [q_proj]}\n",
}


def recipe(folder, model, rest=REST, overrides=()):
    path = folder / "recipe.yaml"
    path.write_text(f"# mine\nname: x1 # the name\n{model}{rest}", encoding="utf-8")
    return load_recipe(path, overrides)


def written(given, folder, groups=(("a", "c"), ("b",))):
    named = named_groups(groups, given.recipe)
    write_regrouped(given, named, "# by a test\n", folder / "out.yaml")
    return named, load_recipe(folder / "out.yaml").recipe, (folder / "out.yaml").read_text("utf-8")


@pytest.mark.parametrize("shape", MODELS)
def test_only_name_and_adapter_change_and_the_text_stays(tmp_path, shape):
    given = recipe(tmp_path, MODELS[shape])
    named, found, text = written(given, tmp_path)
    assert found == regrouped(given.recipe, named)
    assert text.startswith("# by a test\n# mine\nname: x1-grouped # the name\n")
    kept = [line for line in (MODELS[shape] + REST).splitlines() if "adapter" not in line]
    comments = [line.partition("#")[2] for line in kept if "#" in line]
    assert all(f"#{comment}" in text for comment in comments)
    assert text.endswith(REST) or not MODELS[shape]
    assert max(map(len, text.splitlines())) <= 120


def test_rank_scale_blocks_and_the_rest_go_along(tmp_path):
    _, found, _ = written(recipe(tmp_path, MODELS["all keys"]), tmp_path)
    adapter = found.model.adapter
    assert (adapter.layers, adapter.targets) == ("none", ("q_proj",))
    private = adapter.private
    assert (private.rank, private.alpha, private.layers) == (3, 3.5, (1, 2))


def test_tasks_of_other_stages_have_groups_of_their_own(tmp_path):
    given = recipe(tmp_path, "")
    named = named_groups((("a", "c"), ("b",)), given.recipe)
    assert named == {"group-1": ("a", "c"), "group-2": ("b",), "group-3": ("d",)}


def test_a_group_has_no_tasks_name(tmp_path):
    given = recipe(tmp_path, "", REST.replace("d: {", "group-7: {").replace("[d]", "[group-7]"))
    assert next(iter(named_groups((("a",),), given.recipe))) == "groups-1"
    written(given, tmp_path)


@pytest.mark.parametrize("shape", ["set", "alias"])
def test_what_no_edit_of_the_text_can_say_is_written_as_resolved(tmp_path, shape):
    if shape == "set":
        given = recipe(tmp_path, "", overrides=["seed=5"])
    else:
        tied = REST.replace("steps: 40} # short", "steps: 40, objective: {}}")
        model = "model: {base: madrigal/base-xs, adapter: &how {kind: lora, rank: 8}}\n"
        given = recipe(tmp_path, model, tied)
    _, found, text = written(given, tmp_path)
    assert found.model.adapter.private.groups["group-1"] == ("a", "c")
    assert found.seed == given.recipe.seed
    assert ("as resolved" in text) == (shape == "set")


def test_nothing_is_left_aside(tmp_path):
    written(recipe(tmp_path, ""), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"recipe.yaml", "out.yaml"}


def test_why_not(tmp_path):
    given = recipe(tmp_path, "model: {adapter: {kind: lora, private: 2}}\n").recipe
    assert [one.partition(":")[0] for one in why_not(given, 1)] == [
        "stages[1].learn", "model.adapter.private",
    ]  # fmt: skip
    _, found, _ = written(recipe(tmp_path, ""), tmp_path)
    assert list(why_not(found, 0)) == [
        "model.adapter.private: has groups already; remove it to find groups anew"
    ]
