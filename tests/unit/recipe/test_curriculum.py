"""Curricula and roll-backs in a recipe: short forms, and what is refused in one line."""

import pytest

import tiny_run
from madrigal.errors import UserMistake
from madrigal.recipe.curriculum import Curriculum, Difficulty

LORA = {"base": "madrigal/base-xs"}
STOP = {"patience": 1, "per_task": True, "roll_back": True}


def stage(folder, private=None, **keys):
    recipe = tiny_run.keys()
    adapter = {"kind": "lora"} | ({} if private is None else {"private": private})
    recipe["model"] = LORA | {"adapter": adapter}
    recipe["stages"] = [recipe["stages"][0] | keys]
    return tiny_run.tiny(folder, recipe).recipe.stages[0]


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ({"difficulty": "length"}, Curriculum(difficulty=Difficulty())),
        ({"difficulty": "base_loss"}, Curriculum(difficulty=Difficulty(by="base_loss"))),
        ({"enter": {"echo": 0.5}}, Curriculum(enter={"echo": 0.5})),
    ],
)
def test_forms(tmp_path, written, wanted):
    assert stage(tmp_path, curriculum=written).curriculum == wanted


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            {"curriculum": {"enter": {"ecko": 0.5}}},
            "curriculum.enter.ecko: the stage does not learn 'ecko'; did you mean 'echo'?",
        ),
        (
            {"curriculum": {"enter": {"echo": 0.5, "mood": 0.2}}},
            "curriculum.enter: every task comes in later, so the first step has none; leave one "
            "of them out",
        ),
        (
            {"curriculum": {}},
            "curriculum: says nothing; write `enter` or `difficulty`, or leave it out",
        ),
        (
            {"curriculum": {"enter": {}}},
            "curriculum: says nothing; write `enter` or `difficulty`, or leave it out",
        ),
        (
            {"curriculum": {"enter": ["echo"]}},
            "curriculum.enter: found a list; must be a mapping of names to a number",
        ),
        ({"curriculum": {"entry": {}}}, "curriculum.entry: unknown key; did you mean 'enter'?"),
        ({"curriculum": {"enter": {"echo": 1.0}}}, "curriculum.enter.echo: found 1.0; must be"),
        (
            {"curriculum": {"difficulty": {"start": 0.0}}},
            "curriculum.difficulty.start: found 0.0; must be",
        ),
        (
            {"curriculum": {"difficulty": {"start": 1.5}}},
            "curriculum.difficulty.start: found 1.5; must be",
        ),
        (
            {"curriculum": {"difficulty": "lenght"}},
            "curriculum.difficulty.by: unknown value 'lenght'; did you mean 'length'?",
        ),
        (
            {"early_stop": {"roll_back": True}, "private": 2},
            "early_stop.roll_back: no task leaves the mixture without `per_task: true`; add it, or "
            "leave this out",
        ),
        (
            {"early_stop": STOP | {"maintenance": 0.1}, "private": 2},
            "early_stop.roll_back: what a task went back to would move again with `maintenance` "
            "examples; keep one of the two",
        ),
        (
            {"early_stop": STOP},
            "early_stop.roll_back: 'mood', 'echo' have no private part alone, and shared weights "
            "cannot go back for one task; add `model.adapter.private`, or use `maintenance`",
        ),
        (
            {"early_stop": STOP, "private": {"tasks": "mood"}},
            "early_stop.roll_back: 'echo' has no private part alone, and shared weights",
        ),
        (
            {"early_stop": STOP, "private": {"groups": {"both": ["mood", "echo"]}}},
            "early_stop.roll_back: 'mood', 'echo' have no private part alone, and shared weights",
        ),
    ],
    ids=str,
)
def test_mistakes(tmp_path, keys, said):
    with pytest.raises(UserMistake) as told:
        stage(tmp_path, **keys)
    (line,) = str(told.value).splitlines()
    assert f"stages[0].{said}" in line


@pytest.mark.parametrize(
    "private",
    [2, {"tasks": ["mood", "echo"]}, {"groups": {"one": "mood", "two": ["echo"]}}],
    ids=str,
)
def test_a_roll_back_of_tasks_with_parts_is_taken(tmp_path, private):
    assert stage(tmp_path, private, early_stop=STOP).early_stop.roll_back
