import torch

from madrigal.balancing import Equal, StepView


def weights(rows, task_weights):
    names = tuple("abcdef"[: len(rows)])
    return Equal().weights(StepView(names, torch.tensor(rows), torch.tensor(task_weights)))


def test_examples_do_not_count():
    torch.testing.assert_close(weights([31.0, 1.0], [1.0, 1.0]), torch.tensor([0.5, 0.5]))


def test_a_weight_of_two_doubles_one_task_and_leaves_the_other():
    torch.testing.assert_close(weights([3.0, 1.0], [1.0, 2.0]), torch.tensor([0.5, 1.0]))


def test_only_tasks_that_are_present_share():
    torch.testing.assert_close(weights([3.0, 1.0, 9.0], [1.0] * 3), torch.full((3,), 1 / 3))
