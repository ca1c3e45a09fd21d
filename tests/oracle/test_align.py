"""Alignment of two tasks: its distances, their optimum, and the gradient of a whole step."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from madrigal.objectives import Align, Likelihood
from madrigal.objectives.distances import DISTANCES, WIDTHS
from madrigal.tasks.encoded import Encoded
from madrigal.training.step import compute_gradient
from tiny import LORA, drawn, gradients, model, parts


def clouds(one=12, other=9, size=5, shift=1.0, scale=2.0, seed=0):
    """Two Gaussians; the second is moved and stretched."""
    chance = torch.Generator().manual_seed(seed)
    draw = torch.randn(one + other, size, generator=chance, dtype=torch.float64)
    return draw[:one], scale * draw[one:] @ torch.diag(torch.arange(1.0, size + 1).double()) + shift


def naive_coral(one, other):
    total = 0.0
    size = one.shape[1]
    for i in range(size):
        for j in range(size):
            pair = []
            for cloud in (one, other):
                a, b = cloud[:, i] - cloud[:, i].mean(), cloud[:, j] - cloud[:, j].mean()
                pair.append((a * b).sum() / (len(cloud) - 1))
            total = total + (pair[0] - pair[1]) ** 2
    return total / (4 * size**2)


def naive_mmd(one, other):
    points = [*one, *other]
    apart = [float(((a - b) ** 2).sum().detach()) for i, a in enumerate(points) for b in points[:i]]
    middle = sorted(apart)[(len(apart) - 1) // 2]  # torch's median: the lower of two

    def kernel(a, b):
        return sum(torch.exp(-((a - b) ** 2).sum() / (w * middle)) for w in WIDTHS) / len(WIDTHS)

    def inside(some):
        pairs = [kernel(a, b) for i, a in enumerate(some) for j, b in enumerate(some) if i != j]
        return sum(pairs) / len(pairs)

    across = [kernel(a, b) for a in one for b in other]
    return inside(one) + inside(other) - 2 * sum(across) / len(across)


NAIVE = {"coral": naive_coral, "mmd": naive_mmd}


@pytest.mark.parametrize("how", DISTANCES)
def test_the_distance_is_that_of_the_formula_and_pull_has_its_gradient(how):
    one, other = clouds()
    value, pull = DISTANCES[how](one, other)
    moving = one.clone().requires_grad_()
    wanted = NAIVE[how](moving, other)
    assert float(value) == pytest.approx(float(wanted.detach()), rel=1e-9)
    (slope,) = torch.autograd.grad(wanted, moving)
    moving = one.clone().requires_grad_()
    (found,) = torch.autograd.grad(pull(moving), moving)
    torch.testing.assert_close(found, slope, rtol=1e-7, atol=1e-12)
    parts_ = [
        torch.autograd.grad(pull(row[None]), row)[0]
        for row in (one[k].clone().requires_grad_() for k in range(len(one)))
    ]
    torch.testing.assert_close(torch.stack(parts_), slope, rtol=1e-7, atol=1e-12)


def test_finite_differences_agree():
    """With the bandwidth held, as the formula says."""
    one, other = clouds(6, 6, 3, scale=1.0)
    _, pull = DISTANCES["coral"](one, other)
    moving = one.clone().requires_grad_()
    (slope,) = torch.autograd.grad(pull(moving), moving)
    for k, d in ((0, 0), (3, 2), (5, 1)):
        up, down = one.clone(), one.clone()
        up[k, d] += 1e-5
        down[k, d] -= 1e-5
        risen = DISTANCES["coral"](up, other)[0] - DISTANCES["coral"](down, other)[0]
        assert float(slope[k, d]) == pytest.approx(float(risen) / 2e-5, rel=1e-5)


@pytest.mark.parametrize(("how", "rate"), [("coral", 15.0), ("mmd", 20.0)])
def test_following_it_one_cloud_becomes_like_the_other(how, rate):
    one, other = clouds(40, 40, 3, scale=0.5)
    before = DISTANCES[how](one, other)[0]
    points = one.clone().requires_grad_()
    for _ in range(500):
        _, pull = DISTANCES[how](points.detach(), other)
        (slope,) = torch.autograd.grad(pull(points), points)
        with torch.no_grad():
            points -= rate * slope
    after = DISTANCES[how](points.detach(), other)[0]
    assert float(before) > 0.04
    if how == "coral":
        torch.testing.assert_close(torch.cov(points.T), torch.cov(other.T), rtol=1e-3, atol=1e-3)
        assert (points.mean(0) - other.mean(0)).abs().max() > 0.5  # covariances are all it sees
    else:
        assert float(after) < 0.01 * float(before)
        assert (points.mean(0) - other.mean(0)).norm() < 0.2 * (one.mean(0) - other.mean(0)).norm()


def test_equal_distributions_have_no_discrepancy_on_average():
    found = [float(DISTANCES["mmd"](*clouds(20, 20, 4, 0.0, 1.0, seed))[0]) for seed in range(2)]
    assert len(found) == 2  # the stretched cloud differs
    chance = torch.Generator().manual_seed(1)
    same = [
        float(
            DISTANCES["mmd"](
                torch.randn(20, 4, generator=chance), torch.randn(20, 4, generator=chance)
            )[0]
        )
        for _ in range(200)
    ]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(200)
    assert min(found) > 4 * np.std(same)


def state(held, row, pool):
    """What stands for a row, by a pass of its own."""
    length = int(row.trained.argmax())
    length = length if length > 1 else row.length
    tokens = torch.from_numpy(row.tokens[:length])[None]
    states = held.causal.get_decoder()(input_ids=tokens).last_hidden_state[0]
    return states[-1] if pool == "last" else states.mean(0)


def naive_loss(held, rows, how, pool, pulled):
    """Losses of both tasks; states of a task that is not pulled stand still."""
    nats = {}
    for task, some in rows.items():
        total, count = 0.0, 0
        for row in some:
            said = held.network(input_ids=torch.from_numpy(row.tokens)[None]).logits[0]
            for t in np.flatnonzero(row.trained):
                total = total - said[t - 1].log_softmax(-1)[row.tokens[t]]
                count += 1
        nats[task] = total / count
    states = {t: torch.stack([state(held, row, pool) for row in some]) for t, some in rows.items()}
    for task, other in (("a", "b"), ("b", "a")):
        if task in pulled:
            apart = NAIVE[how](states[task], states[other].detach())
            nats[task] = nats[task] + 3.0 * apart
    return nats


@pytest.mark.parametrize("how", DISTANCES)
@pytest.mark.parametrize("pool", ["last", "mean"])
@pytest.mark.parametrize("pulled", [("a",), ("a", "b")])
def test_a_step_has_the_gradient_of_the_naive_loss(how, pool, pulled):
    held = model("llama", LORA)
    kinds = {t: Align(to="b" if t == "a" else "a", how=how, strength=3.0, pool=pool) for t in "ab"}
    kinds = {t: kinds[t] if t in pulled else Likelihood() for t in "ab"}
    examples = drawn(a=5, b=4)
    raw = next(one for task, one in examples if task == "b")[0]
    text = Encoded(raw.tokens, np.arange(raw.length) > 0)
    examples = [*examples, ("b", (text,)), ("a", examples[0][1])]  # raw text, and one drawn twice
    rows = {t: [one[0] for task, one in examples if task == t] for t in "ab"}
    nats = naive_loss(held, rows, how, pool, pulled)
    ours = parts(held, objectives=kinds)
    weight = compute_gradient(ours, 0, examples).weight
    held.network.zero_grad(set_to_none=True)
    (weight["a"] * nats["a"] + weight["b"] * nats["b"]).backward()
    wanted = gradients(held)
    for limit in (1 << 20, 40):
        held.network.zero_grad(set_to_none=True)
        found = compute_gradient(replace(ours, microbatch_tokens=limit), 0, examples)
        assert found.loss == pytest.approx(
            {t: float(v.detach()) for t, v in nats.items()}, rel=1e-4
        )
        for name, gradient in gradients(held).items():
            torch.testing.assert_close(gradient, wanted[name], rtol=2e-3, atol=2e-6)


def test_a_task_without_the_other_in_the_step_has_its_likelihood_alone():
    held = model("llama", LORA)
    kinds = {"a": Align(to="b"), "b": Likelihood()}
    alone = drawn(a=4)
    found = compute_gradient(parts(held, objectives=kinds), 0, alone)
    plain = compute_gradient(parts(held), 0, alone)
    assert found.loss == pytest.approx(plain.loss)
    single = [*alone, drawn(b=1)[0]]
    assert compute_gradient(parts(held, objectives=kinds), 0, single).passes.met == {}


def test_without_likelihood_the_answers_teach_nothing():
    held = model("llama", LORA)
    kind = Align(to="b", likelihood=0.0)
    found = compute_gradient(parts(held, objectives={"a": kind, "b": kind}), 0, drawn(a=3))
    assert found.loss["a"] == 0
    assert all(float(g.abs().max()) == 0 for g in gradients(held).values())


def test_dropout_does_not_reach_what_is_met():
    held = model("llama", LORA.model_copy(update={"dropout": 0.5}))
    held.network.train()
    ours = parts(held, objectives={"a": Align(to="b"), "b": Likelihood()})
    examples = drawn(a=3, b=3)
    one, two = (compute_gradient(replace(ours, seed=s), 0, examples) for s in (0, 1))
    torch.testing.assert_close(one.passes.met["a"].own, two.passes.met["a"].own)
    assert one.loss["a"] != pytest.approx(two.loss["a"], rel=1e-6)
