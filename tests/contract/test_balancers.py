"""Every balancer of the settings union keeps the contract."""

import json
from typing import get_args

import pytest
import torch

from madrigal.balancing import Balancer, StepView, build_balancer
from madrigal.recipe.balance import BalancerSettings

KINDS = get_args(get_args(BalancerSettings)[0])


@pytest.fixture(params=KINDS, ids=lambda kind: kind.model_fields["kind"].default)
def balancer(request):
    return build_balancer(request.param())


def view(tasks, seed=0):
    chance = torch.Generator().manual_seed(seed)
    jacobian = torch.randn(len(tasks), 50, generator=chance)
    return StepView(
        tasks=tuple(tasks),
        rows=torch.randint(1, 30, (len(tasks),), generator=chance).float(),
        task_weights=0.5 + torch.rand(len(tasks), generator=chance),
        losses=torch.rand(len(tasks), generator=chance) * 3,
        gramian=jacobian @ jacobian.T,
    )


def reorder(view, order):
    index = torch.tensor(order)
    return StepView(
        tasks=tuple(view.tasks[i] for i in order),
        rows=view.rows[index],
        task_weights=view.task_weights[index],
        losses=view.losses[index],
        gramian=view.gramian[index][:, index],
    )


def test_the_union_is_found():
    assert len(KINDS) >= 2


def test_is_a_balancer(balancer):
    assert isinstance(balancer, Balancer)
    assert balancer.needs in {"nothing", "losses", "gramian"}


@pytest.mark.parametrize("count", [1, 2, 5])
def test_one_finite_weight_a_task(balancer, count):
    weights = balancer.weights(view("abcde"[:count]))
    assert weights.shape == (count,)
    assert torch.isfinite(weights).all()
    assert (weights >= 0).all()


def test_reading_changes_nothing(balancer):
    first = balancer.weights(view("abc"))
    assert torch.equal(first, balancer.weights(view("abc")))


def test_reordered_tasks_reorder_the_weights(balancer):
    order = [2, 0, 3, 1]
    weights = balancer.weights(view("abcd"))
    torch.testing.assert_close(balancer.weights(reorder(view("abcd"), order)), weights[order])


def test_what_is_not_needed_is_not_looked_at(balancer):
    full = view("abc")
    bare = StepView(
        tasks=full.tasks,
        rows=full.rows,
        task_weights=full.task_weights,
        losses=None if balancer.needs == "nothing" else full.losses,
        gramian=full.gramian if balancer.needs == "gramian" else None,
    )
    assert torch.equal(balancer.weights(bare), balancer.weights(full))


def test_a_double_task_weight_doubles_the_ratio_to_the_others(balancer):
    before = view("abc")
    doubled = StepView(
        tasks=before.tasks,
        rows=before.rows,
        task_weights=before.task_weights * torch.tensor([2.0, 1.0, 1.0]),
        losses=before.losses,
        gramian=before.gramian,
    )
    old, new = balancer.weights(before), balancer.weights(doubled)
    torch.testing.assert_close(new[0] / new[1], 2 * old[0] / old[1])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.model_fields["kind"].default)
def test_saved_state_goes_on_where_it_stopped(kind):
    straight, resumed = build_balancer(kind()), build_balancer(kind())
    for seed in range(5):
        straight.update(view("abc", seed))
    resumed.load_state_dict(json.loads(json.dumps(straight.state_dict())))
    for seed in range(5, 8):
        assert torch.equal(straight.weights(view("abc", seed)), resumed.weights(view("abc", seed)))
        straight.update(view("abc", seed))
        resumed.update(view("abc", seed))
