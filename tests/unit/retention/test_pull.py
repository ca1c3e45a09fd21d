"""The pull to the parameters at the start of the stage."""

import pytest
import torch

from madrigal.retention import Pull


def parameters(*values):
    return [torch.nn.Parameter(torch.tensor(value)) for value in values]


def test_value_and_gradient():
    held = parameters([1.0, 2.0], [3.0])
    pull = Pull(held, {"a": 0.5, "b": 0.0, "c": 2.0})
    with torch.no_grad():
        held[0].add_(torch.tensor([1.0, -2.0]))
    held[0].grad = torch.tensor([10.0, 10.0])
    term = pull.add_gradient({"a": 0.4, "b": 0.6})
    assert term == pytest.approx(0.4 * 0.5 / 2 * (1 + 4))
    assert held[0].grad.tolist() == pytest.approx([10 + 0.2, 10 - 0.4])
    assert held[1].grad.tolist() == [0.0]


def test_a_task_that_is_absent_pulls_not():
    held = parameters([1.0])
    pull = Pull(held, {"a": 0.5, "b": 0.0})
    held[0].data.add_(1)
    assert pull.add_gradient({"b": 1.0}) is None
    assert held[0].grad is None


def test_without_strengths_nothing_is_kept():
    pull = Pull(iter(parameters([1.0])), {"a": 0.0})
    assert pull._start == []
    assert pull.add_gradient({"a": 1.0}) is None
