"""Private parts in a recipe: short forms, and what is refused in one line."""

import pytest

import tiny_run
from madrigal.errors import UserMistake
from madrigal.recipe.model import LoraAdapter, PrivatePart

BASE = {"base": "madrigal/base-xs", "precision": "float32"}


def loaded(folder, adapter, **more):
    keys = tiny_run.keys()
    keys["model"] = {**BASE, "adapter": {"kind": "lora", **adapter}}
    keys["stages"] = keys["stages"][:1]
    for name, value in more.items():
        keys[name] = value
    return tiny_run.tiny(folder, keys).recipe.model.adapter


@pytest.mark.parametrize(
    ("adapter", "wanted"),
    [
        ({"private": 6}, LoraAdapter(private=PrivatePart(rank=6))),
        ({"private": {"tasks": "mood"}}, LoraAdapter(private=PrivatePart(tasks=("mood",)))),
        ({"private": {"layers": [0, 3]}}, LoraAdapter(private=PrivatePart(layers=(0, 3)))),
        (
            {"private": {"groups": {"one": "mood", "two": ["echo"]}}},
            LoraAdapter(private=PrivatePart(groups={"one": ("mood",), "two": ("echo",)})),
        ),
        (
            {"layers": "none", "private": {"groups": {"one": ["mood", "echo"]}}},
            LoraAdapter(layers="none", private=PrivatePart(groups={"one": ("mood", "echo")})),
        ),
        (
            {"private": {"layers": "none", "head": True}},
            LoraAdapter(private=PrivatePart(layers="none", head=True)),
        ),
        ({"layers": [1], "private": {}}, LoraAdapter(layers=(1,), private=PrivatePart())),
        ({"layers": "none", "private": 2}, LoraAdapter(layers="none", private=PrivatePart(rank=2))),
    ],
)
def test_forms(tmp_path, adapter, wanted):
    assert loaded(tmp_path, adapter) == wanted


@pytest.mark.parametrize(
    ("adapter", "said"),
    [
        ({"private": 0}, "private.rank: found 0; must be at least 1 (rank of each task's own"),
        ({"private": {"rank": 0}}, "private.rank: found 0; must be at least 1"),
        ({"private": True}, "private.rank: found true; must be a whole number"),
        (
            {"private": {"tasks": ["mod"]}},
            "private.tasks[0]: no task is called 'mod'; did you mean 'mood'?",
        ),
        (
            {"private": {"tasks": ["seen"]}},
            "private.tasks[0]: no stage learns 'seen', so its part stays empty; remove it",
        ),
        (
            {"private": {"tasks": ["mood", "mood"]}},
            "private.tasks[1]: 'mood' stands twice; remove one",
        ),
        ({"private": {"layers": [-1]}}, "private.layers[0]: found -1; must be at least 0"),
        (
            {"private": {"layers": []}},
            "private.layers: names no block; write numbers from 0, or `all`",
        ),
        ({"private": {"layers": "al"}}, "private.layers: unknown value 'al'; did you mean 'all'?"),
        (
            {"layers": "none"},
            "adapter.layers: nothing would be trained; add `private`, or name the blocks to share",
        ),
        (
            {"layers": "none", "rank": 3, "private": 2},
            "adapter.rank: has no effect with `layers: none`; remove it (`private` has its own)",
        ),
        ({"private": {"dropout": 0.1}}, "private.dropout: unknown key"),
        (
            {"private": {"layers": "none"}},
            "private.layers: nothing would be private; add `head: true`, or name the blocks",
        ),
        ({"private": {"rank": 0, "head": True}}, "private.rank: found 0; must be at least 1"),
        ({"private": {"head": "yes"}}, "private.head: found the text 'yes'; must be true or false"),
        ({"private": {"rank": 0, "groups": {"g": ["mood"]}}}, "private.rank: found 0; must be"),
        (
            {"private": {"groups": {"g": ["mood", "ecko"]}}},
            "private.groups.g[1]: no task is called 'ecko'; did you mean 'echo'?",
        ),
        (
            {"private": {"groups": {"g": ["mood", "seen"]}}},
            "private.groups.g[1]: no stage learns 'seen', so its part stays empty; remove it",
        ),
        (
            {"private": {"groups": {"g": ["mood"], "h": ["echo", "mood"]}}},
            "private.groups.h[1]: 'mood' is in group 'g' too; a task has one part",
        ),
        (
            {"private": {"groups": {"g": ["mood", "mood"]}}},
            "private.groups.g[1]: 'mood' stands twice; remove one",
        ),
        (
            {"private": {"groups": {"g": ["mood"], "h": []}}},
            "private.groups.h: names no task; add some, or remove the group",
        ),
        (
            {"private": {"groups": {}}},
            "private.groups: names no group; write `{name: [task, task]}`, or remove it",
        ),
        (
            {"private": {"tasks": "mood", "groups": {"g": ["mood"]}}},
            "private.tasks: `groups` says which tasks have a part; remove one",
        ),
        (
            {"private": {"groups": {"mood": ["echo"]}}},
            "private.groups.mood: task 'mood' is not in the group of its name; rename one",
        ),
        ({"private": {"groups": {"a.b": ["echo"]}}}, "private.groups"),
        ({"private": {"groups": ["mood", "echo"]}}, "private.groups: found a list; must be"),
        (
            {"layers": "none", "private": {"groups": {"g": ["echo"]}}},
            "private.groups: 'mood' would train nothing with `layers: none`; add it",
        ),
        (
            {"layers": "none", "private": {"tasks": "echo"}},
            "private.tasks: 'mood' would train nothing with `layers: none`; add it",
        ),
    ],
    ids=str,
)
def test_mistakes(tmp_path, adapter, said):
    tiny_run.write_data(tmp_path)
    tasks = tiny_run.keys()["tasks"] | {"seen": {"data": {"train": "mood.test.jsonl"}}}
    with pytest.raises(UserMistake) as told:
        loaded(tmp_path, adapter, tasks=tasks, evaluate={"general": ["seen"]})
    lines = str(told.value).splitlines()
    assert len(lines) == 1
    assert f"model.adapter.{said.removeprefix('adapter.')}" in lines[0]


def test_baselines_take_a_word(tmp_path):
    with pytest.raises(UserMistake, match="must be 'together' or 'separate' or true or false"):
        loaded(tmp_path, {}, evaluate={"baselines": "togeter"})


def staged(folder, adapter, balance, **tasks):
    keys = tiny_run.keys()
    stage = {**keys["stages"][0], "learn": ["mood", "echo"], "balance": balance}
    for name, more in tasks.items():
        keys["tasks"][name] |= more
    return loaded(folder, adapter, stages=[stage], tasks=keys["tasks"])


def test_tasks_that_share_nothing_have_nothing_to_balance(tmp_path):
    with pytest.raises(
        UserMistake, match=r"'upgrad' balances what tasks share.*they share nothing"
    ):
        staged(tmp_path, {"layers": "none", "private": 2}, "upgrad")
    assert staged(tmp_path, {"layers": "none", "private": 2}, "equal").layers == "none"
    both = {"layers": "none", "private": {"groups": {"one": ["mood", "echo"]}}}
    assert staged(tmp_path, both, "upgrad").layers == "none"


def test_weights_of_main_tasks_are_not_all_zero(tmp_path):
    weights = {"kind": "fixed", "weights": {"mood": 0, "echo": 1}}
    assert staged(tmp_path, {}, weights).rank
    with pytest.raises(UserMistake, match="all weights of main tasks are zero"):
        staged(tmp_path, {}, weights, echo={"role": "auxiliary"})
