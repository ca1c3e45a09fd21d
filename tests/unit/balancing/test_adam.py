import json

import pytest
import torch

from madrigal.balancing.adam import Adam


def torch_path(slopes, rate, decay):
    """What torch's own Adam makes of the same slopes."""
    x = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([x], lr=rate, weight_decay=decay)
    path = []
    for slope in slopes:
        x.grad = torch.tensor(slope, dtype=torch.float64)
        optimiser.step()
        path.append(x.item())
    return path


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_follows_torch(decay):
    slopes = [3.0, -1.0, 0.5, 0.0, 1e-6, -200.0, 2.0]
    state, adam, path = {}, Adam(0.03, decay), []
    for slope in slopes:
        adam.step(state, {"a": slope})
        path.append(adam.value(state, "a"))
    assert path == pytest.approx(torch_path(slopes, 0.03, decay), rel=1e-12)


def test_an_absent_task_goes_on_where_it_stopped():
    state, adam = {}, Adam(0.03)
    for step, slope in enumerate([3.0, -1.0, 0.5, 7.0]):
        adam.step(state, {"a": slope} if step % 2 else {"a": slope, "b": slope})
    assert adam.value(state, "b") == pytest.approx(torch_path([3.0, 0.5], 0.03, 0.0)[-1], rel=1e-12)
    assert adam.value(state, "never met") == 0


def test_the_state_is_plain_data():
    state, adam = {}, Adam(0.03)
    adam.step(state, {"a": 1 / 3})
    assert json.loads(json.dumps(state)) == state
