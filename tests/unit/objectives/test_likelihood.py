import numpy as np
import pytest
import torch

from madrigal.objectives import Likelihood, Objective, Outputs, build_objective
from madrigal.recipe import objective as recipe
from madrigal.tasks.encoded import Encoded
from madrigal.tasks.task import Task


def row(length, answer):
    trained = np.zeros(length, dtype=bool)
    trained[length - answer :] = True
    return Encoded(np.arange(length), trained)


ROWS = (row(5, 1), row(6, 3))
OUTPUTS = Outputs(
    row=torch.tensor([0, 1, 1, 1]),
    logps=torch.tensor([-4.0, -1.0, -2.0, -3.0]),
    mean_logps=torch.tensor([-10.0, -10.0, -10.0, -20.0]),
)


def test_is_an_objective():
    assert isinstance(Likelihood(), Objective)


def test_tokens():
    objective = Likelihood()
    assert objective.count(ROWS) == 4
    assert objective.loss(ROWS, OUTPUTS).item() == 10


def test_examples():
    objective = Likelihood(normalise="examples")
    assert objective.count(ROWS) == 2
    assert objective.loss(ROWS, OUTPUTS).item() == pytest.approx(4 + 2)


def test_smoothing_mixes_in_the_mean_over_the_vocabulary():
    objective = Likelihood(label_smoothing=0.1)
    assert objective.loss(ROWS, OUTPUTS).item() == pytest.approx(0.9 * 10 + 0.1 * 50)


def test_only_what_is_needed_is_asked_for():
    assert Likelihood().needs == {"logps"}
    assert Likelihood(label_smoothing=0.1).needs == {"logps", "mean_logps"}


def test_smoothing_without_the_mean_is_an_error():
    bare = Outputs(row=OUTPUTS.row, logps=OUTPUTS.logps)
    with pytest.raises(ValueError, match="needs mean_logps"):
        Likelihood(label_smoothing=0.1).loss(ROWS, bare)


def test_a_sum_over_microbatches_is_the_whole():
    for objective in (Likelihood(), Likelihood("examples"), Likelihood("tokens", 0.2)):
        whole = objective.loss(ROWS, OUTPUTS)
        first = Outputs(OUTPUTS.row[:1], OUTPUTS.logps[:1], OUTPUTS.mean_logps[:1])
        second = Outputs(OUTPUTS.row[1:] - 1, OUTPUTS.logps[1:], OUTPUTS.mean_logps[1:])
        parts = objective.loss(ROWS[:1], first) + objective.loss(ROWS[1:], second)
        torch.testing.assert_close(parts, whole)
        assert objective.count(ROWS[:1]) + objective.count(ROWS[1:]) == objective.count(ROWS)


def test_rows_without_a_trained_token_count_nothing():
    assert Likelihood("examples").count((row(3, 0), row(3, 2))) == 1
    assert Likelihood("tokens").count((row(3, 0),)) == 0


def test_an_example_is_its_rows():
    assert Likelihood().encode_rows((ROWS[0],)) == (ROWS[0],)


def test_build_takes_smoothing_from_the_task():
    task = Task("t", "answer", "accuracy", {}, label_smoothing=0.25)
    objective = build_objective(recipe.Likelihood(normalise="examples"), task)
    assert objective == Likelihood("examples", 0.25)
