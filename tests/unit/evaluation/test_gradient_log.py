import numpy as np
import pytest

from madrigal.evaluation.gradient_log import layer_groups, read_gradients, standing


def line(step, cosine, norm=None, signal=None, **rest):
    names = {name for pair in cosine for name in pair.split("|")}
    norm = dict.fromkeys(names, 1.0) if norm is None else norm
    return {
        "step": step,
        "conflict": {"cosine": cosine, "norm": norm, "signal": signal or {}},
        **rest,
    }


def test_tasks_stand_in_the_order_of_the_stage_whatever_is_present():
    log = read_gradients([line(1, {"b|c": 0.1}), line(2, {"a|b": 0.2}), line(3, {"a|c": 0.3})])
    assert log.tasks == ("a", "b", "c")
    assert [log.tasks[i] + log.tasks[j] for i, j in log.pairs] == ["ab", "ac", "bc"]
    expected = np.array([[np.nan, np.nan, 0.1], [0.2, np.nan, np.nan], [np.nan, 0.3, np.nan]])
    np.testing.assert_array_equal(log.cosine, expected)


def test_steps_that_were_skipped_or_not_measured_are_left_out():
    lines = [
        {"step": 1, "loss": {"a": 1.0}},
        line(2, {"a|b": 0.5}),
        line(3, {"a|b": 0.5}, skipped="non-finite loss"),
        line(4, {"a|b": 0.5}),
    ]
    assert list(read_gradients(lines).steps) == [2, 4]


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"step": 1, "conflict": None},
        {"step": 1, "conflict": [1, 2]},
        {"step": "one", "conflict": {"cosine": {"a|b": 0.1}}},
        {"step": 1, "conflict": {"cosine": {"ab": 0.1}}},
    ],
)
def test_lines_that_say_nothing_give_nothing(broken):
    assert read_gradients([broken]) is None


def test_what_is_no_number_counts_as_not_measured():
    log = read_gradients([line(1, {"a|b": None}, {"a": "big", "b": 2.0}, {"a": True})])
    assert np.isnan(log.cosine).all()
    assert np.isnan(log.signal).all()
    assert list(np.isnan(log.norm[0])) == [True, False]


def test_orders_that_contradict_each_other_are_no_reason_to_fail():
    log = read_gradients([line(1, {"a|b": 0.1}), line(2, {"b|a": 0.2})])
    assert set(log.tasks) == {"a", "b"}


def test_layers_are_read_apart():
    part = {"cosine": {"a|b": -0.5}, "norm": {"a": 2.0, "b": 3.0}, "signal": {"a": 1.0, "b": 1.0}}
    lines = [line(1, {"a|b": 0.1})]
    lines[0]["conflict"]["layers"] = {"block 0": part}
    assert layer_groups(lines) == ("block 0",)
    assert read_gradients(lines, "block 0").dot(0) == pytest.approx(-3.0)
    assert read_gradients(lines, "block 1") is None


def test_the_length_around_a_step_leaves_the_step_out():
    norms = [1.0, 1.0, 9.0, 1.0, 1.0]
    log = read_gradients([line(n, {"a|b": 0.0}, {"a": x, "b": 1.0}) for n, x in enumerate(norms)])
    assert log.scale()[2, 0] == pytest.approx(1.0)
    assert log.scale()[1, 0] > 4


def test_a_measured_step_stands_for_the_steps_around_it():
    even = standing(np.arange(1, 60, 4))
    assert (even == 1).all()
    # Every second of the first steps, then every eighth: half of the way to each neighbour.
    found = standing(np.array([1, 3, 5, 7, 15, 23]))
    np.testing.assert_allclose(found / found[0], [1, 1, 1, 2.5, 4, 2.5])
    assert found.mean() == pytest.approx(1)
    assert standing(np.array([7])).tolist() == [1.0]
    assert (standing(np.array([5, 5, 3])) > 0).all()
