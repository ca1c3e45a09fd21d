"""Scores, bounds, and where they are in scores.json."""

from pathlib import Path

import pytest

import swept
from madrigal.recipe.load import load_recipe
from madrigal.sweep.aim import Aim, Bound, bound_of, found_scores, unknown_score, wrong_way

BODY = {
    "summary": {
        "average": {"value": 0.5, "low": 0.4, "high": 0.6},
        "forgetting": None,
        "unified": {"base": {"value": 0.1}, "01-a": {"value": 0.3, "worst": {"value": 0.2}}},
        "kl_to_base": {"01-a": {"mood": {"value": 1.5}}},
    },
    "rows": [
        {"stage": "base", "scores": {"mood": {"value": 0.1, "low": 0, "high": 1}}},
        {"stage": "01-a", "scores": {"mood": {"value": 0.9, "low": 0.8, "high": 1.0}}},
    ],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("average", 0.5),
        ("tasks.mood", 0.9),  # of the last row
        ("unified", 0.3),
        ("unified.base", 0.1),
        ("unified.worst", 0.2),
        ("kl_to_base.01-a.mood", 1.5),
    ],
)
def test_a_score_is_found(name, value):
    assert found_scores(Aim(name), BODY, Path())[name]["value"] == value


@pytest.mark.parametrize("name", ["forgetting", "tasks.echo", "kl_to_base.01-a", "unified.none.x"])
def test_a_score_that_is_not_there_is_said(name):
    with pytest.raises(LookupError, match=rf"its scores.json has no number for {name}"):
        found_scores(Aim(name), BODY, Path())


def test_bounds():
    assert bound_of("forgetting <= 0.05") == Bound("forgetting", "<=", 0.05)
    assert bound_of("tasks.a-b>=8e-1") == Bound("tasks.a-b", ">=", 0.8)
    assert Bound("a", "<=", 0.5).excess(0.7) == pytest.approx(0.2)
    assert Bound("a", ">=", 0.5).excess(0.7) == pytest.approx(-0.2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("forgetting < 0.05", "'forgetting < 0.05' has '<'; write a score, <= or >="),
        ("forgetting", "'forgetting' is no bound; write a score"),
        ("forgetting <= much", "'much' is no number; write"),
        ("forgetting <= inf", "'inf' is no finite number; write"),
    ],
)
def test_no_bound(text, said):
    assert str(bound_of(text)).startswith(said)


def test_the_best_is_within_all_bounds():
    aim = Aim("a", bounds=(Bound("b", "<=", 1.0), Bound("a", ">=", 0.5)))
    assert aim.scores == ("a", "b")
    assert aim.kept({"a": 0.5, "b": 1.0})
    assert aim.broken({"a": 0.4, "b": 2.0}) == list(aim.bounds)
    assert aim.cost({"a": 0.9}) < aim.cost({"a": 0.1})
    assert Aim("a", largest=False).cost({"a": 0.9}) > Aim("a", largest=False).cost({"a": 0.1})
    assert str(aim) == "maximise a subject to b <= 1 and a >= 0.5"


@pytest.fixture
def recipe(tmp_path):
    swept.write(tmp_path)
    return load_recipe(tmp_path / "recipe.yaml").recipe


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("averge", "unknown score 'averge'; did you mean 'average'?"),
        ("tasks.moood", "no task 'moood' is scored; did you mean 'mood'?"),
        ("delta_m", "'delta_m' needs `evaluate.baselines: true`"),
        ("general_change", "'general_change' needs tasks under `evaluate.general`"),
        ("unified_gain", "'unified_gain' needs `evaluate.base: true`"),
        ("kl_to_base", "'kl_to_base' is no single number; name a part of it"),
        ("average", None),
        ("tasks.mood", None),
        ("bwt", None),
        ("kl_to_base.01-together.mood", None),
    ],
)
def test_scores_that_no_run_of_the_recipe_has(recipe, name, said):
    found = unknown_score(name, recipe)
    assert found is None if said is None else str(found).startswith(said)


def test_nothing_is_forgotten_in_one_stage(recipe):
    one = recipe.model_copy(update={"stages": recipe.stages[:1]})
    assert "that the last stage does not train" in str(unknown_score("forgetting", one))


def test_forgetting_is_not_made_large():
    assert wrong_way(Aim("forgetting")) == (
        "'forgetting' is better when it is small; write `minimise: forgetting`"
    )
    assert wrong_way(Aim("forgetting", largest=False)) is None
