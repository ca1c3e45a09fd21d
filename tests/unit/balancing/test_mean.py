import torch

from madrigal.balancing import Mean, StepView


def weights(rows, task_weights):
    names = tuple("abcdef"[: len(rows)])
    return Mean().weights(StepView(names, torch.tensor(rows), torch.tensor(task_weights)))


def test_shares_of_the_examples():
    torch.testing.assert_close(weights([24.0, 8.0], [1.0, 1.0]), torch.tensor([0.75, 0.25]))


def test_a_weight_of_two_doubles_one_task_and_leaves_the_other():
    torch.testing.assert_close(weights([24.0, 8.0], [1.0, 2.0]), torch.tensor([0.75, 0.5]))


def test_one_task_alone():
    torch.testing.assert_close(weights([5.0], [1.0]), torch.tensor([1.0]))


def test_without_weights_the_examples_lie_in_one_pot():
    losses = {"a": torch.tensor([1.0, 2.0, 6.0]), "b": torch.tensor([4.0])}
    rows = [float(len(values)) for values in losses.values()]
    means = torch.stack([values.mean() for values in losses.values()])
    pooled = torch.cat(list(losses.values())).mean()
    torch.testing.assert_close((weights(rows, [1.0, 1.0]) * means).sum(), pooled)
