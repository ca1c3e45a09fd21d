"""Which need an objective has, and what is said of records that do not meet it."""

from typing import get_args

import pytest

from judged import KINDS, plain
from madrigal.pipeline.unusable import needs, noted
from madrigal.recipe.objective import Kto, Reward
from madrigal.recipe.schema import Recipe
from madrigal.tasks.feedback import Feedback, Judgement
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.task import Task
from madrigal.tasks.usable import Need


@pytest.mark.parametrize("kind", KINDS)
def test_every_objective_asks_for_something(kind):
    asked = needs(plain(kind))
    assert asked
    assert set(asked) <= set(get_args(Need))


def test_a_reward_model_asks_for_what_it_weighs():
    assert needs(Reward()) == ("pairs",)
    assert needs(Reward(compare=0, regress=1)) == ("ratings",)
    assert needs(Reward(regress=1)) == ("pairs", "ratings")


def rated(number, *values):
    answers = tuple(f"answer {k}" for k in range(len(values)))
    said = Feedback("rating", answers, (Judgement(values),), scale=(0.0, 10.0))
    return Record(f"a.jsonl:{number}", (Turn("user", f"p {number}"),), feedback=said)


def task(*records):
    splits = {"train": records, "validation": (), "test": records}
    return Task("rated", "feedback", "agreement", splits)


def recipe(objective):
    stage = {"name": "prefer", "learn": ["rated"], "steps": 1, "objective": {"rated": objective}}
    keys = {"name": "r", "tasks": {"rated": {"data": "a.jsonl"}}, "stages": [stage]}
    return Recipe.model_validate(keys)


def test_what_cannot_be_used_is_counted_with_the_first_of_them():
    held = task(rated(1, 9.0, 2.0), rated(2, 4.0), rated(3, 5.0))
    found, mistakes = noted(recipe("dpo"), {"rated": held})
    assert mistakes == []
    assert found["rated"].notes == (
        "dpo in stage prefer: 2 of 3 records (the first is a.jsonl:2) cannot be used: they have "
        "one answer only, and nothing to compare it with",
        "dpo: the order of answers is made of their ratings",
        "2 of 3 test records hold one answer, and agreement counts each as one half: it compares "
        "answers to the same prompt",
    )


def test_an_objective_that_can_use_nothing_is_a_mistake():
    found, mistakes = noted(recipe("correction"), {"rated": task(rated(1, 9.0, 2.0))})
    assert mistakes == [
        "stages[0].objective.rated: 'correction' can use no training record: 1 of 1 records (the "
        "first is a.jsonl:1) cannot be used: they hold no correction; choose an objective that "
        "these data fit"
    ]
    assert found["rated"].notes[0].startswith("correction in stage prefer: 1 of 1")


def test_kto_goes_by_its_own_threshold():
    middle = task(rated(1, 5.0), rated(2, 9.0))
    (note, *_), _ = noted(recipe("kto"), {"rated": middle})[0]["rated"].notes, None
    assert "1 of 2" in note
    asked = Kto(threshold=0.4).model_dump()
    notes = noted(recipe(asked), {"rated": middle})[0]["rated"].notes
    assert not any("cannot be used" in one for one in notes)


def test_likelihood_and_tasks_without_judgements_are_left_alone():
    held = task(rated(1, 9.0, 2.0))
    assert noted(recipe("likelihood"), {"rated": held}) == ({"rated": held}, [])
