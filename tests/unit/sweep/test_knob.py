"""Values of knobs: inside, evenly spread, written so that `--set` reads them again."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madrigal.recipe.parse import parse
from madrigal.sweep.knob import Choices, Range, overrides, text_of

UNIFORM = st.floats(0, 1, exclude_max=True)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(-1e12, 1e12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(PLAIN)
def test_a_value_is_read_back_as_it_was(value):
    node, mistakes = parse(text_of(value), "")
    assert not mistakes
    assert node.plain() == value
    assert "\n" not in text_of(value)


@given(UNIFORM)
def test_numbers_stay_inside(uniform):
    for knob in (
        Range("a", 1e-5, 1e-3, log=True),
        Range("a", 0.3333333, 0.4),
        Range("a", 2, 9, whole=True),
        Range("a", 1, 64, log=True, whole=True),
        Range("a", 0.1, 0.5, step=0.1),
        Range("a", 10, 45, whole=True, step=10),
    ):
        value = knob.at(uniform)
        assert knob.holds(value)
        assert isinstance(value, int) == knob.whole
        assert 0 <= knob.share(value) <= 1


def grid(count):
    return [(i + 0.5) / count for i in range(count)]


def test_each_decade_of_a_log_scale_is_as_likely():
    found = [Range("a", 1e-5, 1e-2, log=True).at(u) for u in grid(3000)]
    assert [sum(10**-k <= v < 10 ** (1 - k) for v in found) for k in (5, 4, 3)] == [1000] * 3


def test_steps_start_at_low_and_are_as_likely():
    found = [Range("a", 10, 45, whole=True, step=10).at(u) for u in grid(400)]
    assert {v: found.count(v) for v in found} == {10: 100, 20: 100, 30: 100, 40: 100}
    assert {Range("a", 0.1, 0.5, step=0.1).at(u) for u in grid(50)} == {0.1, 0.2, 0.3, 0.4, 0.5}


def test_whole_numbers_of_a_log_scale_reach_both_ends():
    found = {Range("a", 1, 4, log=True, whole=True).at(u) for u in grid(100)}
    assert found == {1, 2, 3, 4}


def test_choices_are_as_likely():
    knob = Choices("a", ("x", {"kind": "y"}, 3))
    found = [text_of(knob.at(u)) for u in grid(300)]
    assert {text: found.count(text) for text in found} == {"x": 100, '{"kind": "y"}': 100, "3": 100}


def test_a_drawn_number_has_few_digits():
    value = Range("a", 1e-5, 1e-3, log=True).at(0.123456)
    assert value == float(f"{value:.4g}")


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e-5, "1e-05"), ("upgrad", "upgrad"), ("true", '"true"'), (None, "null"), (True, "true")],
)
def test_texts(value, text):
    assert text_of(value) == text


def test_overrides_are_what_set_takes():
    assert overrides({"stages.0.steps": 5, "model.adapter": {"kind": "full"}}) == [
        "stages.0.steps=5",
        'model.adapter={"kind": "full"}',
    ]
    assert math.isclose(float(overrides({"a": 0.0001})[0][2:]), 1e-4)
