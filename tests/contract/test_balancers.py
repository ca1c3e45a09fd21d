"""Every balancer of the settings union keeps the contract."""

import json
from dataclasses import replace
from typing import get_args

import pytest
import torch

from madrigal.balancing import Balancer, StepView, build_balancer
from madrigal.recipe.balance import BalancerSettings

KINDS = get_args(get_args(BalancerSettings)[0])

# Keys that a kind cannot do without, and such as let its state speak within a few steps.
KEYS = {
    "fixed": {"weights": {"a": 1.0, "b": 2.0, "c": 0.0, "d": 0.5, "e": 4.0}},
    "dwa": {"window": 2},
    "stch": {"warmup": 2},
    "coba": {"warmup": 2},
}

# Kinds whose formula may give a task less than nothing: equal projections and equal lengths of
# unequal gradients can need it.
BELOW_ZERO = ("aligned", "imtl_g")


def name(kind):
    return kind.model_fields["kind"].default


def build(kind):
    return build_balancer(kind(**KEYS.get(name(kind), {})))


@pytest.fixture(params=["fresh", "used"])
def age(request):
    return request.param


@pytest.fixture(params=KINDS, ids=name)
def kind(request):
    return request.param


@pytest.fixture
def balancer(kind, age):
    held = build(kind)
    for seed in range(4 if age == "used" else 0):
        held.update(view("abcde", seed))
    return held


def view(tasks, seed=9):
    """What a balancer sees at step `seed`, with everything that any of them asks for."""
    chance = torch.Generator().manual_seed(seed)
    jacobian = torch.randn(len(tasks), 50, generator=chance)
    return StepView(
        tasks=tuple(tasks),
        rows=torch.randint(1, 30, (len(tasks),), generator=chance).float(),
        task_weights=0.5 + torch.rand(len(tasks), generator=chance),
        losses=torch.rand(len(tasks), generator=chance) * 3,
        gramian=jacobian @ jacobian.T,
        step=seed,
        losses_after=torch.rand(len(tasks), generator=chance) * 3,
        validation={task: 1 + float(torch.rand((), generator=chance)) for task in tasks},
    )


def reorder(view, order):
    index = torch.tensor(order)
    return replace(
        view,
        tasks=tuple(view.tasks[i] for i in order),
        rows=view.rows[index],
        task_weights=view.task_weights[index],
        losses=view.losses[index],
        gramian=view.gramian[index][:, index],
        losses_after=view.losses_after[index],
    )


def test_the_union_is_found():
    assert len(KINDS) >= 2


def test_is_a_balancer(balancer):
    assert isinstance(balancer, Balancer)
    assert balancer.needs in {"nothing", "losses", "gramian"}


@pytest.mark.parametrize("count", [1, 2, 5])
def test_one_finite_weight_a_task(balancer, kind, count):
    weights = balancer.weights(view("abcde"[:count]))
    assert weights.shape == (count,)
    assert torch.isfinite(weights).all()
    assert name(kind) in BELOW_ZERO or (weights >= 0).all()


def test_reading_changes_nothing(balancer):
    first = balancer.weights(view("abc"))
    assert torch.equal(first, balancer.weights(view("abc")))


def test_reordered_tasks_reorder_the_weights(balancer):
    order = [2, 0, 3, 1]
    weights = balancer.weights(view("abcd"))
    torch.testing.assert_close(balancer.weights(reorder(view("abcd"), order)), weights[order])


def test_what_is_not_needed_is_not_looked_at(balancer):
    full = view("abc")
    bare = replace(
        full,
        losses=None if balancer.needs == "nothing" else full.losses,
        gramian=full.gramian if balancer.needs == "gramian" else None,
        losses_after=None,
        validation=None,
    )
    assert torch.equal(balancer.weights(bare), balancer.weights(full))


def test_a_double_task_weight_doubles_the_ratio_to_the_others(balancer):
    before = view("abc")
    doubled = replace(before, task_weights=before.task_weights * torch.tensor([2.0, 1.0, 1.0]))
    old, new = balancer.weights(before), balancer.weights(doubled)
    torch.testing.assert_close(new[0] / new[1], 2 * old[0] / old[1])


@pytest.mark.parametrize("kind", KINDS, ids=name)
def test_saved_state_goes_on_where_it_stopped(kind):
    straight, resumed = build(kind), build(kind)
    for seed in range(5):
        straight.update(view("abc", seed))
    resumed.load_state_dict(json.loads(json.dumps(straight.state_dict())))
    for seed in range(5, 8):
        assert torch.equal(straight.weights(view("abc", seed)), resumed.weights(view("abc", seed)))
        straight.update(view("abc", seed))
        resumed.update(view("abc", seed))
    assert straight.state_dict() == resumed.state_dict()


def test_a_saved_state_stays_as_it_was_saved(balancer):
    balancer.update(view("abc"))
    saved = balancer.state_dict()
    text = json.dumps(saved)
    balancer.update(view("abc", 10))
    assert json.dumps(saved) == text
    assert json.loads(text) == saved
