"""Steps of a model with private parts against a peft model of each task alone."""

import dataclasses

import pytest
import torch

from madrigal.balancing import Equal, Mean
from madrigal.balancing.upgrad import UpGrad
from madrigal.gradients import Ledger
from madrigal.gradients.gramian import HALVES
from madrigal.recipe.model import LoraAdapter, PrivatePart
from madrigal.retention import Pull
from madrigal.training.processes import Processes
from madrigal.training.split import Split
from madrigal.training.step import compute_gradient
from tiny import drawn, parts, private_model

TASKS = ("a", "b", "c")
ADAPTER = LoraAdapter(rank=3, alpha=6.0, private=PrivatePart(rank=2, alpha=3.0, tasks=("a", "b")))
HEAD = ADAPTER.model_copy(update={"private": ADAPTER.private.model_copy(update={"head": True})})


def model(adapter=ADAPTER, kind="llama", start=1, precision=torch.float32):
    return private_model(adapter, TASKS, kind, start, precision)


def split(held, every=1):
    shared = dict(held.shared())
    ledger = Ledger(shared, HALVES * len(TASKS))
    order = {task: place for place, task in enumerate(TASKS)}
    return Split(held, ledger, order, every, "raw", {})


def step(held, examples, **changes):
    held.network.zero_grad(set_to_none=True)
    found = compute_gradient(parts(held, TASKS, **changes), 3, examples)
    return found, {n: p.grad for n, p in held.trainable() if p.grad is not None}


def alone(held, task, examples):
    """Gradient of the mean loss of one task's examples: nobody else is in the batch."""
    mine = [(name, example) for name, example in examples if name == task]
    _, found = step(held, mine)
    return {name: g.clone() for name, g in found.items()}


EXAMPLES = drawn(a=3, b=4, c=2)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("limit", [1, 60, 1 << 20])
@pytest.mark.parametrize("by_task", [False, True], ids=["plain", "split"])
@pytest.mark.parametrize("adapter", [ADAPTER, HEAD], ids=["blocks", "head too"])
def test_a_private_gradient_is_its_tasks_own_times_its_weight(kind, limit, by_task, adapter):
    held = model(adapter, kind)
    each = {task: alone(held, task, EXAMPLES) for task in TASKS}
    changes = {"split": split(held)} if by_task else {}
    got, found = step(held, EXAMPLES, microbatch_tokens=limit, balancer=Equal(), **changes)
    assert got.conflict is not None or not by_task
    shared = dict(held.shared())
    assert shared
    assert len(found) == len(shared) + 2 * 2 * len(held.private.layers)
    for name, gradient in found.items():
        wanted = sum(got.weight[t] * each[t].get(name, torch.zeros(())) for t in TASKS)
        scale = float(wanted.norm())
        assert scale > 0
        assert float((gradient - wanted).norm()) < 2e-5 * scale, name
    for task in ("a", "b"):
        name = f"base_model.model.model.layers.0.self_attn.q_proj.private.A_{task}"
        if kind == "llama":
            torch.testing.assert_close(
                found[name], got.weight[task] * each[task][name], rtol=1e-4, atol=1e-7
            )


def test_the_gramian_is_of_the_shared_part_alone():
    held = model()
    each = {task: alone(held, task, EXAMPLES) for task in TASKS}
    shared = [name for name, _ in held.shared()]
    rows = torch.stack(
        [torch.cat([each[t][name].flatten() for name in shared]).double() for t in TASKS]
    )
    got, _ = step(held, EXAMPLES, split=split(held), balancer=UpGrad())
    order = [TASKS.index(task) for task in got.view.tasks]
    torch.testing.assert_close(
        got.view.gramian, (rows @ rows.T)[order][:, order], rtol=1e-4, atol=1e-9
    )


def test_a_balancers_weight_reaches_the_private_part():
    held = model()
    each = alone(held, "b", EXAMPLES)
    got, found = step(held, EXAMPLES, split=split(held), balancer=UpGrad())
    name = next(n for n in found if n.endswith("v_proj.private.B_b"))
    torch.testing.assert_close(found[name], got.weight["b"] * each[name], rtol=1e-4, atol=1e-7)


def test_a_task_that_is_absent_gets_no_gradient_in_any_process():
    """Sums over processes fill empty gradients with zeros, and AdamW would move on zeros."""

    class Two(Processes):
        def sum_(self, tensors):
            for _ in tensors:
                pass

    held = model()
    only = [pair for pair in EXAMPLES if pair[0] != "b"]
    for changes in ({}, {"split": split(held, 0), "balancer": UpGrad()}):
        _, found = step(held, only, processes=Two(0, 2), **changes)
        assert not any(name.endswith("_b") for name in found)
        assert sum(name.endswith("_a") for name in found) == 2 * len(held.private.layers)


def test_the_pull_is_each_tasks_own():
    held = model()
    start = {n: p.detach().clone() for n, p in held.trainable()}
    pull = Pull(
        (p for _, p in held.trainable()), {"a": 0.3, "b": 0.0, "c": 0.5}, held.private.owners()
    )
    with torch.no_grad():
        for _, parameter in held.trainable():
            parameter.add_(0.05 * torch.randn_like(parameter))
    _, plain = step(held, EXAMPLES, balancer=Equal())
    plain = {name: g.clone() for name, g in plain.items()}
    got, pulled = step(held, EXAMPLES, balancer=Equal(), terms=(pull,))
    value = 0.0
    for name, parameter in held.trainable():
        owner = held.private.owners().get(id(parameter))
        strength = {None: (0.3 + 0.5) / 3, ("a",): 0.3 / 3, ("b",): 0.0}[owner]
        away = parameter.detach() - start[name]
        value += strength / 2 * float(away.square().sum())
        torch.testing.assert_close(
            pulled[name], plain[name] + strength * away, rtol=1e-4, atol=1e-6
        )
    assert got.terms["pull_to_start"] == pytest.approx(value, rel=1e-4)


def test_dropout_and_bfloat16_and_checkpointing_run_split_as_plain():
    adapter = ADAPTER.model_copy(update={"dropout": 0.3})
    held = model(adapter, precision=torch.bfloat16)
    held.network.train()
    held.causal.activation_checkpointing_enable(
        {"use_reentrant": False, "context_fn": held.private.routing.kept}
    )
    held.causal.enable_input_require_grads()
    _, plain = step(held, EXAMPLES, balancer=Mean(), microbatch_tokens=1 << 20)
    plain = torch.cat([g.flatten() for g in plain.values()])
    _, found = step(
        held, EXAMPLES, balancer=Mean(), microbatch_tokens=1 << 20, split=split(held, 0)
    )
    assert torch.equal(plain, torch.cat([g.flatten() for g in found.values()]))
    one = split(held, 0)
    one.verify(compute_gradient(parts(held, TASKS), 3, EXAMPLES).passes)
    held.network.zero_grad()
    measured, _ = step(held, EXAMPLES, split=dataclasses.replace(one, measure_every=1))
    assert measured.conflict is not None
