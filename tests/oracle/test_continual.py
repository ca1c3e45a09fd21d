"""The measures of sequential training against published logs and matrices done by hand."""

import numpy as np
import pytest

from madrigal.evaluation.continual import continual, general_change, intransigence, plasticity_gap
from madrigal.evaluation.intervals import Drawn, Resampling, Score

RESAMPLING = Resampling(draws=200)

# Order 1, SeqFT, of the log files in cmnfriend/O-LoRA: exact match after each stage. What was not
# evaluated is absent.
PUBLISHED = [
    {},
    {"1": 97.0132},
    {"1": 89.1053, "2": 55.25},
    {"1": 74.7632, "2": 53.4474, "3": 72.2763},
    {"1": 79.5263, "2": 52.6711, "3": 48.8421, "4": 90.0263},
]


def cell(value):
    return Drawn(Score(value, value, value, 1), np.array([value, value]), 1)


def cells(matrix):
    return [{task: cell(value) for task, value in row.items()} for row in matrix]


def test_the_published_matrix_has_its_published_measures():
    matrix = cells([{t: v / 100 for t, v in row.items()} for row in PUBLISHED])
    found = continual(matrix, [["1"], ["2"], ["3"], ["4"]], RESAMPLING)
    points = {name: round(100 * one.value, 3) for name, one in found.items() if one}
    assert points == {
        "average": 67.766,
        "learning_accuracy": 78.641,
        "bwt": -14.5,
        "forgetting": 14.5,
    }
    # The log begins after the first stage, so nothing is known of before: not 0, but not evaluated.
    assert found["fwt"] is None
    assert found["forgetting_any"] is None


# Three stages of one task each, the base model in front, and numbers that a pencil can do.
BY_HAND = [
    {"x": 0.2, "y": 0.6, "z": 0.1},
    {"x": 0.8, "y": 0.4, "z": 0.3},
    {"x": 0.9, "y": 0.5, "z": 0.2},
    {"x": 0.5, "y": 0.3, "z": 0.7},
]


def test_three_stages_by_hand():
    found = continual(cells(BY_HAND), [["x"], ["y"], ["z"]], RESAMPLING)
    expected = {
        "average": (0.5 + 0.3 + 0.7) / 3,
        "learning_accuracy": (0.8 + 0.5 + 0.7) / 3,
        "bwt": ((0.5 - 0.8) + (0.3 - 0.5)) / 2,
        "fwt": ((0.4 - 0.6) + (0.2 - 0.1)) / 2,
        "forgetting": ((0.9 - 0.5) + (0.5 - 0.3)) / 2,
        "forgetting_any": ((0.9 - 0.5) + (0.6 - 0.3)) / 2,  # the base model knew y best
    }
    assert {name: one.value for name, one in found.items()} == pytest.approx(expected)


def test_a_stage_of_two_tasks_and_a_task_that_comes_back():
    found = continual(cells(BY_HAND), [["x", "y"], ["y"], ["x", "z"]], RESAMPLING)
    expected = {
        "average": (0.5 + 0.3 + 0.7) / 3,
        "learning_accuracy": (0.5 + 0.5 + 0.7) / 3,  # x was trained last in the last stage
        "bwt": 0.3 - 0.5,  # y alone is earlier
        "fwt": 0.2 - 0.1,
        "forgetting": 0.5 - 0.3,
        "forgetting_any": 0.6 - 0.3,
    }
    assert {name: one.value for name, one in found.items()} == pytest.approx(expected)


def test_measures_against_single_and_joint_models_by_hand():
    matrix, learned = cells(BY_HAND), [["x"], ["y"], ["z"]]
    (one,) = cells([{"x": 0.9, "y": 0.9, "z": 0.6}])
    gap = plasticity_gap(matrix, learned, one, RESAMPLING)
    assert gap.value == pytest.approx(((0.8 - 0.9) + (0.5 - 0.9) + (0.7 - 0.6)) / 3)
    joint = intransigence(matrix, learned, one, RESAMPLING)
    assert joint.value == pytest.approx(-gap.value)
    # A task without its reference is left out of the mean, and without any there is no number.
    del one["y"]
    gap = plasticity_gap(matrix, learned, one, RESAMPLING)
    assert gap.value == pytest.approx(((0.8 - 0.9) + (0.7 - 0.6)) / 2)
    assert plasticity_gap(matrix, learned, {}, RESAMPLING) is None


def test_general_change_by_hand():
    matrix = cells(BY_HAND)
    found = general_change(matrix[0], matrix[-1], ["x", "y", "elsewhere"], RESAMPLING)
    assert found.value == pytest.approx(((0.5 - 0.2) + (0.3 - 0.6)) / 2)
    assert general_change(matrix[0], matrix[-1], [], RESAMPLING) is None
