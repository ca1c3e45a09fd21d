"""Every key of an objective's settings changes what is built."""

from typing import get_args

import pytest

from judged import variants
from madrigal.objectives import Scored, build_objective
from madrigal.recipe.objective import ObjectiveSettings, Reward
from madrigal.tasks.task import Task

TASK = Task("t", "feedback", "accuracy", {})
KINDS = get_args(get_args(ObjectiveSettings)[0])
KEYS = [
    pytest.param(kind, key, id=f"{kind.__name__}.{key}")
    for kind in KINDS
    for key in kind.model_fields
    if key != "kind"
]


@pytest.mark.parametrize(("kind", "key"), KEYS)
def test_a_key_reaches_the_objective(kind, key):
    given = variants(kind)[key]
    assert given != kind()
    made = build_objective(given, TASK)
    assert made != build_objective(kind(), TASK)
    assert getattr(made, key) == getattr(given, key)


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_are_the_same(kind):
    made = build_objective(kind(), TASK)
    assert made == type(made)()


@pytest.mark.parametrize("length_debias", [0, 0.5])
def test_a_recipe_knows_the_scores_that_its_objective_wants(length_debias):
    settings = Reward(length_debias=length_debias)
    made = build_objective(settings, TASK)
    assert isinstance(made, Scored)
    assert settings.heads == made.heads
