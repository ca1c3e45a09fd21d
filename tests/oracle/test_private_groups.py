"""Private parts of groups: each is trained by the rows of its tasks, and J covers all of it."""

import math

import pytest
import torch

from madrigal.balancing import Equal, Mean
from madrigal.balancing.upgrad import UpGrad
from madrigal.model import language_model
from madrigal.model.adapter import add_adapter, add_private
from madrigal.pipeline.parts import build_split
from madrigal.recipe.model import LoraAdapter, PrivatePart
from madrigal.recipe.stage import Gradients, Optimiser
from madrigal.retention import Pull
from madrigal.training.loop import train
from madrigal.training.processes import Processes
from madrigal.training.stage_run import StageRun
from madrigal.training.step import compute_gradient, verify_split
from tiny import VOCABULARY, Schedule, drawn, examples, network, parts, private_model, stage

TASKS = ("a", "b", "c", "d")  # d is in no group
GROUPS = {"left": ("a", "c"), "right": ("b",)}
BOTH = LoraAdapter(rank=3, alpha=6.0, private=PrivatePart(rank=2, alpha=3.0, groups=GROUPS))
APART = LoraAdapter(layers="none", private=PrivatePart(rank=2, groups=GROUPS))
HEAD = LoraAdapter(rank=3, private=PrivatePart(rank=2, groups=GROUPS, head=True))
ADAPTERS = pytest.mark.parametrize("adapter", [BOTH, APART, HEAD], ids=["shared", "apart", "head"])
COUNTS = {"a": 3, "b": 4, "c": 2}


def model(adapter=BOTH, kind="llama", start=1, precision=torch.float32):
    return private_model(adapter, TASKS, kind, start, precision)


def split(held, balancer, every=1, tasks=TASKS):
    return build_split(Gradients(measure_every=every, by_layer=True), held, balancer, tasks)


def step(held, some, measured=False, **changes):
    held.network.zero_grad(set_to_none=True)
    balancer = changes.setdefault("balancer", Equal())
    if measured:
        changes["split"] = split(held, balancer)
    found = compute_gradient(parts(held, TASKS, **changes), 3, some)
    return found, {n: p.grad.clone() for n, p in held.trainable() if p.grad is not None}


def alone(held, task, some):
    """Gradient of the mean loss of one task's examples: nobody else is in the batch."""
    return step(held, [pair for pair in some if pair[0] == task])[1]


def known(adapter):
    """Examples of tasks that reach a trained parameter."""
    counts = COUNTS | ({} if adapter is APART else {"d": 2})
    return counts, drawn(**counts)


@ADAPTERS
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("limit", [1, 60, 1 << 20])
@pytest.mark.parametrize("measured", [False, True])
def test_a_groups_gradient_is_the_weighted_sum_over_its_tasks(adapter, kind, limit, measured):
    held = model(adapter, kind)
    counts, some = known(adapter)
    each = {task: alone(held, task, some) for task in counts}
    weights = {"a": 1.0, "b": 0.5, "c": 3.0, "d": 0.25}
    got, found = step(held, some, measured, microbatch_tokens=limit, task_weights=weights)
    assert (got.conflict is not None) == measured
    reached = {name for gradients in each.values() for name in gradients}
    assert set(found) == reached == {name for name, _ in held.trainable()}
    for name, gradient in found.items():
        wanted = sum(got.weight[t] * each[t].get(name, torch.zeros(())) for t in counts)
        assert float((gradient - wanted).norm()) < 2e-5 * float(wanted.norm()), name


@ADAPTERS
def test_measured_and_unmeasured_steps_give_the_same_gradient(adapter):
    held = model(adapter)
    _, some = known(adapter)
    weights = {"a": 1.0, "b": 0.5, "c": 3.0, "d": 0.25}
    _, plain = step(held, some, task_weights=weights, balancer=Mean())
    got, measured = step(held, some, measured=True, task_weights=weights, balancer=Mean())
    assert got.conflict is not None
    assert set(plain) == set(measured)
    for name, gradient in plain.items():
        away = float((measured[name] - gradient).norm())
        assert away < 1e-5 * float(gradient.norm()), name
    first, second = (torch.cat([g[n].flatten() for n in plain]) for g in (plain, measured))
    assert float((first - second).norm()) < 1e-6 * float(first.norm())


@ADAPTERS
def test_the_gramian_is_of_everything_that_the_tasks_reach(adapter):
    held = model(adapter)
    counts, some = known(adapter)
    each = {task: alone(held, task, some) for task in counts}
    names = [name for name, _ in held.trainable()]
    empty = {name: torch.zeros_like(p) for name, p in held.trainable()}
    got, found = step(held, some, measured=True, balancer=UpGrad())
    rows = torch.stack(
        [
            torch.cat([each[t].get(name, empty[name]).flatten() for name in names]).double()
            for t in got.view.tasks
        ]
    )
    torch.testing.assert_close(got.view.gramian, rows @ rows.T, rtol=1e-4, atol=1e-9)
    ours = torch.cat([found[name].flatten() for name in names]).double()
    weights = torch.tensor([got.weight[t] for t in got.view.tasks], dtype=torch.float64)
    torch.testing.assert_close(ours, weights @ rows, rtol=1e-4, atol=1e-7)
    cosine = got.conflict.angles.cosine["a|c"]
    assert cosine == pytest.approx(
        float(torch.cosine_similarity(*(rows[got.view.tasks.index(t)] for t in "ac"), dim=0)),
        abs=1e-5,
    )
    if adapter is APART:
        assert got.conflict.angles.cosine["a|b"] == 0
        assert got.view.gramian[got.view.tasks.index("b")].count_nonzero() == 1


def test_the_rows_of_one_group_alone():
    """Then all rows meet the same part, and no part is chosen by row."""
    held = model()
    some = drawn(a=3, c=2)
    each = {task: alone(held, task, some) for task in "ac"}
    for measured in (False, True):
        got, found = step(held, some, measured)
        assert not any("right" in name for name in found)
        for name, gradient in found.items():
            wanted = sum(got.weight[t] * each[t][name] for t in "ac")
            assert float((gradient - wanted).norm()) < 2e-5 * float(wanted.norm()), name


def test_a_group_that_is_absent_gets_no_gradient_in_any_process():
    """Sums over processes fill empty gradients with zeros, and AdamW would move on zeros."""

    class Two(Processes):
        def sum_(self, tensors):
            for _ in tensors:
                pass

    held = model()
    for measured in (False, True):
        _, found = step(held, drawn(a=3, d=1), measured, processes=Two(0, 2))
        assert not any(name.endswith("_right") for name in found)
        assert sum(name.endswith("_left") for name in found) == 2 * len(held.private.layers)


def test_groups_of_one_task_are_the_parts_of_tasks():
    """The same set-up written in two ways: the Gramian is of the shared part alone in both."""
    ways = [PrivatePart(groups={"a": ("a",), "b": ("b",)}), PrivatePart(tasks=("a", "b"))]
    some = drawn(a=3, b=4)
    held = [model(LoraAdapter(rank=3, private=way)) for way in ways]
    (one, first), (two, second) = (step(each, some, True, balancer=UpGrad()) for each in held)
    assert torch.equal(one.view.gramian, two.view.gramian)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_pull_of_a_group_is_that_of_its_tasks():
    held = model()
    pull = Pull(
        (p for _, p in held.trainable()), {"a": 0.3, "b": 0.2, "c": 0.5}, held.private.owners()
    )
    with torch.no_grad():
        for _, parameter in held.trainable():
            parameter.add_(0.1)
    _, some = known(BOTH)
    plain = step(held, some)[1]
    for measured in (False, True):
        pulled = step(held, some, measured, terms=(pull,))[1]
        for name, gradient in pulled.items():
            strength = 0.8 if "_left" in name else 0.2 if "_right" in name else 1.0
            wanted = plain[name] + strength / 4 * 0.1
            torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("adapter", [BOTH, HEAD], ids=["shared", "head"])
@pytest.mark.parametrize("some", [drawn(a=3, b=4, c=2, d=2), drawn(a=3, c=2)])
def test_bfloat16_and_checkpointing_run_measured(adapter, some):
    held = model(adapter, precision=torch.bfloat16)
    held.network.train()
    held.causal.activation_checkpointing_enable(
        {"use_reentrant": False, "context_fn": held.private.routing.kept}
    )
    held.causal.enable_input_require_grads()
    found = []
    for measured in (False, True):
        _, gradients = step(held, some, measured, microbatch_tokens=1 << 20)
        found.append(torch.cat([g.flatten() for g in gradients.values()]))
    away = float((found[0] - found[1]).norm() / found[0].norm())
    assert 0 < away < 0.02


@pytest.mark.parametrize("chunk", [2, 1000])
def test_the_split_is_verified_for_parts_of_groups_too(monkeypatch, chunk):
    monkeypatch.setattr(language_model, "LOGITS_PER_CHUNK", chunk * VOCABULARY)
    held = model(HEAD.model_copy(update={"dropout": 0.3}))
    held.network.train()
    _, some = known(BOTH)
    settled = parts(held, TASKS, split=split(held, Equal()))
    verify_split(settled, 0, some)
    names = set(settled.split.ledger.parameters)
    assert names == {name for name, _ in held.trainable()}


def trained(adapter, tasks, folder, balancer, measure=0):
    """Train some of the tasks from the usual start; the same examples for each whoever is there."""
    whole = private_model(adapter, tasks)
    optimiser = Optimiser(learning_rate=0.01, epsilon=1e-6, clip=0.0)
    settings = stage(learn=tasks, steps=8, optimiser=optimiser)
    changes = {"split": split(whole, balancer, measure, tasks)} if measure else {}
    run = StageRun(
        settings=settings,
        parts=parts(whole, tasks, balancer=balancer, **changes),
        source=Schedule(8, tasks),
        examples={t: examples(10, TASKS.index(t) + 1) for t in tasks},
        checkpoints=folder,
        validate=None,
        validate_every=0,
    )
    whole.network.train()
    train(run, lambda _: None)
    return {n: p.detach().clone() for n, p in whole.trainable()}


def fresh_model(adapter):
    held = add_adapter(network(), adapter, 0)
    add_private(held, adapter, TASKS, 0)
    return [(n, p) for n, p in held.named_parameters() if p.requires_grad]


class Summed(Equal):
    """Every task counts one, however many there are."""

    def weights(self, view):
        return torch.ones(len(view.tasks))


@pytest.mark.parametrize("measure", [0, 1, 3])
def test_a_run_of_two_groups_is_two_runs(tmp_path, measure):
    adapter = LoraAdapter(
        layers="none", private=PrivatePart(rank=2, groups={"one": ("a", "b"), "two": ("c", "d")})
    )
    fresh = {n: p.detach().clone() for n, p in fresh_model(adapter) if p.any()}
    whole = trained(adapter, TASKS, tmp_path / "whole", Summed(), measure)
    for group, members in adapter.private.groups.items():
        own = trained(adapter, members, tmp_path / group, Summed())
        assert own
        distance = math.sqrt(sum(float((whole[n] - p).square().sum()) for n, p in own.items()))
        size = math.sqrt(sum(float(p.square().sum()) for p in own.values()))
        moved = math.sqrt(sum(float((own[n] - fresh[n]).square().sum()) for n in own if n in fresh))
        assert moved > 0.05 * size
        assert distance < 1e-6 * size
