"""AdamW and its learning rate."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from madrigal.recipe.stage import Optimiser
from madrigal.training.optimiser import build_optimiser, learning_rate
from tiny import LORA, model


def rates(steps, **keys):
    settings = Optimiser(**{"learning_rate": 1.0, "warmup": 0.0, **keys})
    return [learning_rate(settings, step, steps) for step in range(steps)]


def test_warm_up_rises_to_the_peak():
    assert rates(10, warmup=0.4, schedule="constant") == pytest.approx(
        [0.25, 0.5, 0.75] + [1.0] * 7
    )


def test_constant():
    assert rates(5, schedule="constant") == [1.0] * 5


def test_linear_falls_by_the_same_amount_to_the_final_share():
    assert rates(4, schedule="linear", final=0.2) == pytest.approx([1.0, 0.8, 0.6, 0.4])


def test_cosine():
    found = rates(100, schedule="cosine", final=0.1)
    assert found[0] == 1.0
    assert found[50] == pytest.approx(0.55)
    assert found[25] == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 4)) / 2)
    assert 0.1 < found[-1] < 0.101


def test_against_torch():
    """The falling part is torch's own schedule of the same name."""
    weight = torch.nn.Parameter(torch.zeros(()))
    for schedule, theirs in (
        ("cosine", lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 30, eta_min=0.1)),
        ("linear", lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.1, 30)),
    ):
        optimiser = torch.optim.SGD([weight], lr=1.0)
        scheduler, found = theirs(optimiser), []
        for _ in range(30):
            found.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            scheduler.step()
        assert rates(30, schedule=schedule, final=0.1) == pytest.approx(found)


@given(
    st.integers(1, 50),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from(["cosine", "linear", "constant"]),
)
def test_never_above_the_peak_nor_zero_before_the_end(steps, warmup, final, schedule):
    found = rates(steps, warmup=warmup, final=final, schedule=schedule)
    assert all(0 < rate <= 1 + 1e-12 for rate in found)
    peak = found.index(max(found))
    assert found[: peak + 1] == sorted(found[: peak + 1])
    assert found[peak:] == sorted(found[peak:], reverse=True)


def test_matrices_decay_and_vectors_do_not():
    held = model("gpt2")
    optimiser = build_optimiser(Optimiser(learning_rate=0.1, weight_decay=0.5), held)
    before = {name: p.detach().clone() for name, p in held.trainable()}
    for _, parameter in held.trainable():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    shapes = set()
    for name, parameter in held.trainable():
        shapes.add(parameter.ndim)
        factor = 1 - 0.1 * 0.5 if parameter.ndim >= 2 else 1.0
        torch.testing.assert_close(parameter.detach(), factor * before[name])
    assert shapes == {1, 2}


def test_every_trained_parameter_is_in_one_group_and_nothing_else():
    for held in (model(), model("llama", LORA), model("llama", tie_word_embeddings=True)):
        optimiser = build_optimiser(Optimiser(), held)
        inside = [p for group in optimiser.param_groups for p in group["params"]]
        assert {id(p) for p in inside} == {id(p) for _, p in held.trainable()}
        assert len(inside) == len({id(p) for p in inside})


def test_one_step_is_adamw_as_published():
    held = model()
    settings = Optimiser(learning_rate=0.01, weight_decay=0.3, beta1=0.8, beta2=0.9, epsilon=1e-3)
    optimiser = build_optimiser(settings, held)
    name, weight = next((n, p) for n, p in held.trainable() if p.ndim == 2)
    theta, m, v = weight.detach().double(), 0.0, 0.0
    for t in (1, 2, 3):
        for _, parameter in held.trainable():
            parameter.grad = torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(t)
            )
        g = weight.grad.double()
        optimiser.step()
        m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g * g
        step = (m / (1 - 0.8**t)) / ((v / (1 - 0.9**t)).sqrt() + 1e-3)
        theta = theta * (1 - 0.01 * 0.3) - 0.01 * step
    torch.testing.assert_close(weight.detach().double(), theta, rtol=1e-5, atol=1e-6, msg=name)
