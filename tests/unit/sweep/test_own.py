"""Scores of answers of a model's own, out of the rollouts that the last weights grew from."""

import json
from pathlib import Path

import pytest

import acting
import tiny_run
from madrigal.sweep.aim import Aim, unknown_score, wrong_way
from madrigal.sweep.own import own_score


def write(run: Path, rows, weights_of_step, stage="02-act") -> None:
    folder = run / "stages" / stage
    folder.mkdir(parents=True)
    lines = [
        json.dumps({"step": step, "task": task, "means": {"reward": value}})
        for step, task, value in rows
    ]
    (folder / "rollouts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "done.json").write_text(json.dumps({"weights_of_step": weights_of_step}))


def test_it_is_the_mean_over_the_last_ten(tmp_path):
    rows = [(n, "echo", float(n)) for n in range(1, 21)] + [(n, "mood", 9.0) for n in range(1, 21)]
    write(tmp_path, rows, 20)
    found = own_score("own.echo.reward", tmp_path)
    assert found["value"] == pytest.approx(15.5)  # of 11 to 20
    assert found["high"] - 15.5 == pytest.approx(1.96 * 3.02765 / 10**0.5, rel=1e-4)
    assert 15.5 - found["low"] == pytest.approx(found["high"] - 15.5)


def test_what_was_gone_back_behind_does_not_count(tmp_path):
    """Steps 3 and 4 were undone and done again; the stage then ended with the weights of step 3."""
    first = [(1, "echo", 1.0), (2, "echo", 2.0), (3, "echo", 50.0), (4, "echo", 60.0)]
    again = [(3, "echo", 3.0), (4, "echo", 4.0), (5, "echo", 70.0), (6, "echo", 80.0)]
    write(tmp_path, first + again, 3)
    assert own_score("own.echo.reward", tmp_path)["value"] == pytest.approx(2.5)  # 1, 2, 3, 4


def test_nor_does_what_was_never_done_again(tmp_path):
    """The fifth rollout is of the weights that were left behind; the stage ended before another."""
    left = [(n, "echo", 90.0) for n in (3, 4, 5)]
    write(
        tmp_path, [(1, "echo", 1.0), (2, "echo", 2.0), *left, (3, "echo", 3.0), (4, "echo", 4.0)], 4
    )
    assert own_score("own.echo.reward", tmp_path)["value"] == pytest.approx(2.5)


def test_of_several_stages_the_last_counts(tmp_path):
    write(tmp_path, [(1, "echo", 1.0)], 1, "01-first")
    write(tmp_path, [(1, "echo", 2.0)], 1, "02-then")
    write(tmp_path, [(1, "mood", 7.0)], 1, "03-other")
    assert own_score("own.echo.reward", tmp_path) == {"value": 2.0, "low": None, "high": None}
    with pytest.raises(LookupError, match=r"its rollouts have no number for own\.echo\.gold"):
        own_score("own.echo.gold", tmp_path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("own.echo.reward", None),
        ("own.echo.divergence", None),
        ("own.echo.rewards", "unknown score 'own.echo.rewards'; did you mean 'own.echo.reward'?"),
        ("own.mood.reward", "unknown score 'own.mood.reward'"),
        ("own.echo.gold", "'own.echo.gold' needs a gold reward: `gold` in the objective of 'echo'"),
    ],
)
def test_names_are_held_against_the_recipe(name, said, tmp_path):
    tiny_run.write_data(tmp_path)
    recipe = tiny_run.tiny(tmp_path, acting.keys(acting.KINDS["rloo"])).recipe
    found = unknown_score(name, recipe)
    assert found is None if said is None else str(found).startswith(said)


def test_without_rollouts_there_are_none(tmp_path):
    recipe = tiny_run.tiny(tmp_path).recipe
    assert "tasks that learn from answers of the model's own" in str(
        unknown_score("own.echo.reward", recipe)
    )


def test_divergence_is_not_made_large():
    assert wrong_way(Aim("own.echo.divergence")) == (
        "'own.echo.divergence' is better when it is small; write `minimise: own.echo.divergence`"
    )
    assert wrong_way(Aim("own.echo.reward")) is None
