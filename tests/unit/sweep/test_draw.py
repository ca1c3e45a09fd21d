"""Points by chance: a function of seed and number, none twice."""

from madrigal.sweep.draw import drawn, points, same
from madrigal.sweep.knob import Choices, Range

SMALL = (Choices("a", ("x", "y", "z")), Range("b", 1, 2, whole=True))
FIRST = {"a": "x", "b": 1}


def test_more_trials_begin_with_the_same():
    knobs = (*SMALL, Range("c", 0.0, 1.0))
    first = {**FIRST, "c": 0.5}
    assert points(knobs, 3, 30, first)[:10] == points(knobs, 3, 10, first)
    assert points(knobs, 4, 10, first)[1:] != points(knobs, 3, 10, first)[1:]


def test_another_knob_leaves_the_values_of_the_others():
    more = (*SMALL, Range("c", 0.0, 1.0))
    assert {k: v for k, v in drawn(more, 0, 7).items() if k != "c"} == drawn(SMALL, 0, 7)


def test_every_point_of_a_small_space_comes_once():
    found = points(SMALL, 0, 50, FIRST)
    assert len(found) == 6
    assert len({same(one) for one in found}) == 6
    assert found[0] == FIRST


def test_the_recipe_may_be_outside():
    assert len(points(SMALL, 0, 50, {"a": "other", "b": 1})) == 7
