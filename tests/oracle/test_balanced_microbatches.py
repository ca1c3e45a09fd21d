"""A balancer's weights act however a step is laid out in microbatches."""

import pytest
import torch

import tiny
from balancer_view import view, weights
from madrigal.balancing.coba import Coba
from madrigal.training.step import compute_gradient


def convergent():
    """A balancer that saw task a fall fast and task b slowly."""
    balancer = Coba(warmup=2, history=8, temperature=5.0, every=1)
    for step in range(9):
        seen = {"a": 2 - 0.05 * step, "b": 2 - 0.01 * step}
        balancer.update(view(tasks="ab", step=step, validation=seen))
    return balancer


@pytest.mark.parametrize("microbatch_tokens", [16, 4096], ids=["one task each", "all in one"])
def test_a_microbatch_with_one_task_does_not_cancel_its_weight(microbatch_tokens):
    balancer, held, examples = convergent(), tiny.model(), tiny.drawn(a=2, b=3)
    found = weights(balancer, tasks="ab")
    assert found["b"] > 1.5 * found["a"]

    def gradient(settled, some):
        held.network.zero_grad()
        compute_gradient(settled, 0, some)
        return tiny.gradients(held)

    alone = {
        task: gradient(tiny.parts(held), [pair for pair in examples if pair[0] == task])
        for task in "ab"
    }
    settled = tiny.parts(held, balancer=balancer, microbatch_tokens=microbatch_tokens)
    for name, together in gradient(settled, examples).items():
        expected = sum(found[task] * alone[task][name] for task in "ab")
        torch.testing.assert_close(together, expected, rtol=1e-4, atol=1e-5, msg=name)
