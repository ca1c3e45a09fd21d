"""Chosen and rejected answers: which is which, and what became of them."""

import math

import numpy as np
import pytest

from madrigal.evaluation.agreement import Judging
from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.plan import Plan
from madrigal.evaluation.prediction import Prediction
from madrigal.evaluation.preferred import Sided, fall, moved, preferences, sided

NAN = math.nan


def row(id_, wins, logps, tokens=None, task="liked"):
    answers = tuple(f"answer {k}" for k in range(len(logps)))
    judging = Judging(answers, wins, logps, tokens or (2,) * len(logps))
    return Prediction(
        task, id_, "a.jsonl:1", id_, "feedback", "p", answers[:1], answers[0], 1.0, judging=judging
    )


def pair(id_, chosen, rejected, chance=1.0):
    return row(id_, ((NAN, chance), (1 - chance, NAN)), (chosen, rejected))


def test_the_chosen_answer_is_the_one_that_most_people_preferred():
    (first,) = sided([pair("a", -3.0, -5.0, 0.7)])
    (second,) = sided([pair("a", -3.0, -5.0, 0.2)])
    assert (first.chosen, first.rejected) == (-3.0, -5.0)
    assert (second.chosen, second.rejected) == (-5.0, -3.0)


def test_ties_and_answers_that_nobody_compared_say_nothing():
    assert sided([pair("a", -3.0, -5.0, 0.5)]) == []
    assert sided([row("a", ((NAN,),), (-3.0,))]) == []


def test_a_ranking_is_the_mean_over_its_pairs():
    wins = ((NAN, 1.0, 1.0), (0.0, NAN, 1.0), (0.0, 0.0, NAN))
    (found,) = sided([row("a", wins, (-1.0, -4.0, -10.0), (3, 5, 7))])
    assert found.chosen == pytest.approx((-1 - 1 - 4) / 3)
    assert found.rejected == pytest.approx((-4 - 10 - 10) / 3)
    assert found.tokens == pytest.approx((3 + 3 + 5) / 3)


def sides(chosen, rejected):
    return [
        Sided(f"e{i}", f"e{i}", float(a), float(b), 4.0)
        for i, (a, b) in enumerate(zip(chosen, rejected, strict=True))
    ]


def test_changes_are_paired_by_example_and_have_an_interval():
    chance = np.random.default_rng(0)
    level = chance.normal(-40, 20, 200)  # examples differ much more than they change
    change = chance.normal(-1.5, 1.0, 200)
    before = sides(level, level - 2)
    after = sides(level + change, level - 6)[::-1]
    found = moved("liked", before, after, Resampling(0, 500))
    assert found.n == 200
    assert found.chosen.value == pytest.approx(change.mean())
    assert found.chosen.low < found.chosen.value < found.chosen.high < -1.2
    assert found.rejected.value == pytest.approx(-4)
    assert found.margin.value == pytest.approx(change.mean() + 4)
    assert found.chosen.after - found.chosen.before == pytest.approx(found.chosen.value)


def test_only_examples_that_both_have_are_compared():
    before, after = sides([-1, -2, -3], [-4, -4, -4]), sides([-2, -3], [-4, -4])
    assert moved("liked", before, after, Resampling(0, 200)).n == 2
    assert moved("liked", before, [], Resampling(0, 200)) is None


def test_a_fall_is_sure_or_it_is_not():
    chance = np.random.default_rng(1)
    start = chance.normal(-30, 10, 60)
    lost = fall(sides(start, start), sides(start - 2 + chance.normal(0, 1, 60), start))
    assert lost.mean == pytest.approx(2, abs=0.4)
    assert 1.5 < lost.low < lost.mean
    same = fall(sides(start, start), sides(start + chance.normal(0, 1, 60), start))
    assert same.low < 0
    assert fall(sides([-1], [-1]), sides([-2], [-1])) is None


def test_each_preference_stage_is_compared_with_the_row_before_it_that_has_the_task():
    rows = {
        "base": {"liked": [pair(f"e{i}", -5.0 - i, -5.0) for i in range(9)]},
        "01-skills": {"other": []},
        "02-prefer": {"liked": [pair(f"e{i}", -7.0 - i, -9.0) for i in range(9)]},
    }
    plan = Plan(
        {"liked": "agreement"}, {"01-skills": ("other",), "02-prefer": ("liked",)},
        resampling=Resampling(0, 200),
    )  # fmt: skip
    (stage,) = preferences(rows, plan)["preferences"].items()
    assert stage[0] == "02-prefer"
    assert stage[1]["liked"]["from"] == "base"
    assert stage[1]["liked"]["chosen"]["value"] == pytest.approx(-2)
    assert stage[1]["liked"]["margin"]["value"] == pytest.approx(2)


def test_a_run_without_preferences_has_no_entry():
    rows = {"base": {}, "01-a": {}}
    assert preferences(rows, Plan({"mood": "accuracy"}, {"01-a": ("mood",)})) == {}
