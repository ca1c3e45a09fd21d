"""EWC goes over a large parameter in pieces; nothing is left out and nothing counted twice."""

import pytest
import torch

from madrigal.retention import Ewc, Quadratic


@pytest.mark.parametrize("transposed", [False, True], ids=["in one piece of memory", "transposed"])
def test_a_large_parameter_is_pulled_everywhere(transposed):
    torch.manual_seed(0)
    values = torch.randn(401, 503)  # three pieces and a rest
    parameter = torch.nn.Parameter(values.T if transposed else values)
    small = torch.nn.Parameter(torch.randn(7))
    named = {"large": parameter, "small": small}
    fisher = {name: torch.rand_like(p) for name, p in named.items()}
    center = {name: torch.randn_like(p) for name, p in named.items()}
    before = {name: torch.randn_like(p) for name, p in named.items()}
    for name, p in named.items():
        p.grad = before[name].clone()
    value = Ewc(named.items(), Quadratic(fisher, center, rest=2.0), 0.5).add_gradient({})
    expected = 0.0
    for name, p in named.items():
        away = (p - center[name]).detach().double()
        expected += 0.25 * float((fisher[name] * away.square()).sum())
        torch.testing.assert_close(p.grad, before[name] + 0.5 * fisher[name] * away.float())
    assert value == pytest.approx(expected + 1.0, rel=1e-5)
