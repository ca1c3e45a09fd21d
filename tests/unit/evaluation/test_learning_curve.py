"""A learning curve from predictions: its points, its differences, and what is not there."""

import json

import pytest

from madrigal.evaluation.intervals import Resampling, score
from madrigal.evaluation.learning_curve import learning_curve
from madrigal.evaluation.seeds import difference_over_seeds, over_seeds
from predicted import coins

RESAMPLING = Resampling(draws=300)
START = [coins(80, 0.5, 1)]
BASE = {0: START, 4: [coins(80, 0.6, s) for s in (2, 3)], 16: [coins(80, 0.95, s) for s in (4, 5)]}
CONTEXT = {
    0: START,
    4: [coins(80, 0.6, s) for s in (6, 7)],
    16: [coins(80, 0.5, s) for s in (8, 9)],
}


def test_points_are_means_over_draws_with_both_kinds_of_chance():
    found = learning_curve("accuracy", {"base": BASE, "context": CONTEXT}, RESAMPLING)
    assert (found.task, found.n, found.chance) == ("t", 80, 0.5)
    assert [point.shots for point in found.ways["base"]] == [0, 4, 16]
    start, _, last = found.ways["base"]
    alone, several = (
        score(START[0], "accuracy", RESAMPLING),
        over_seeds(BASE[16], "accuracy", RESAMPLING),
    )
    assert (start.value, start.low, start.high) == (alone.value, alone.low, alone.high)
    assert start.sd is None
    assert (last.value, last.low, last.high) == (several.mean, several.low, several.high)
    assert (last.draws, last.sd) == (several.runs, several.run_sd)


def test_differences_are_paired_where_both_have_several_draws():
    found = learning_curve("accuracy", {"base": BASE, "context": CONTEXT}, RESAMPLING)
    assert list(found.differences) == ["base - context"]
    few, many = found.differences["base - context"]
    assert (few.shots, many.shots) == (4, 16)
    wanted = difference_over_seeds(BASE[16], CONTEXT[16], "accuracy", RESAMPLING)
    assert (many.value, many.low, many.high) == (wanted.mean, wanted.low, wanted.high)
    assert many.low > 0
    three = learning_curve("accuracy", {"base": BASE, "run": BASE, "context": CONTEXT}, RESAMPLING)
    assert list(three.differences) == ["base - context", "run - context", "run - base"]
    assert all(point.value == 0 for point in three.differences["run - base"])


def test_a_field_stands_only_where_it_was_measured():
    found = learning_curve("accuracy", {"base": {0: START, 4: BASE[4][:1]}}, RESAMPLING)
    body = json.loads(json.dumps(found.to_json()))
    assert body["differences"] == {}
    assert set(body["ways"]["base"][1]) == {"shots", "value", "low", "high", "draws"}


def test_one_draw_has_no_difference():
    ways = {"base": {4: BASE[4][:1]}, "context": {4: CONTEXT[4][:1]}}
    assert learning_curve("accuracy", ways, RESAMPLING).differences == {"base - context": ()}


def test_draws_on_other_test_examples_are_refused():
    with pytest.raises(ValueError, match="the same examples"):
        learning_curve("accuracy", {"base": {4: [coins(80, 0.5), coins(60, 0.5)]}}, RESAMPLING)
