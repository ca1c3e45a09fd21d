"""One process alone: nothing to wait for and nothing to add. Several: tests/story."""

import pytest
import torch

from madrigal.training.processes import Processes, join_processes


def test_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    alone = join_processes()
    assert alone == Processes(0, 1)
    assert alone.first
    alone.wait()
    tensor = torch.tensor([1.0, 2.0])
    alone.sum_([tensor])
    assert tensor.tolist() == [1.0, 2.0]
    weight = torch.nn.Parameter(torch.zeros(2))
    alone.sum_gradients([weight])
    assert weight.grad is None
    assert alone.from_first({"a": 1}) == {"a": 1}
    assert alone.any_(True, torch.device("cpu"))
    assert not alone.any_(False, torch.device("cpu"))


def test_torchrun_with_one_process_is_alone(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert join_processes().count == 1


@pytest.fixture
def doubled(monkeypatch):
    """Two processes that always hold the same, without a second process."""
    import accelerate.utils

    monkeypatch.setattr(accelerate.utils, "reduce", lambda tensor, _: 2 * tensor)
    return Processes(1, 2)


def test_sums_in_one_message_keep_shapes_and_kinds(doubled):
    held = [torch.ones(2, 3), torch.tensor(5.0, dtype=torch.float64), torch.ones(1)]
    doubled.sum_(held)
    assert [tuple(tensor.shape) for tensor in held] == [(2, 3), (), (1,)]
    assert held[1].item() == 10
    assert held[1].dtype == torch.float64
    assert not doubled.first


def test_a_parameter_without_work_here_counts_as_zero(doubled):
    one, two = torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(3))
    one.grad = torch.ones(2)
    doubled.sum_gradients([one, two])
    assert one.grad.tolist() == [2, 2]
    assert two.grad.tolist() == [0, 0, 0]
