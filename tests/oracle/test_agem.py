"""A-GEM against its definition, written with whole gradient vectors."""

import dataclasses

import pytest
import torch

from madrigal.balancing import StepView
from madrigal.balancing.agem import AGem
from madrigal.balancing.auxiliary import Auxiliary
from madrigal.gradients import Ledger
from madrigal.gradients.gramian import HALVES
from madrigal.training.split import Split
from madrigal.training.step import compute_gradient
from tiny import LORA, drawn, gradients, model, parts

ROWS = torch.tensor([3.0, 1.0, 2.0, 5.0])
TASK_WEIGHTS = torch.tensor([1.0, 2.0, 0.5, 1.0])
OLD = (False, True, False, True)


def seen(jacobian, protected=OLD, rows=ROWS, task_weights=TASK_WEIGHTS):
    jacobian = jacobian.double()
    return StepView(
        tasks=tuple("abcd"[: len(rows)]),
        rows=rows,
        task_weights=task_weights,
        gramian=jacobian @ jacobian.T,
        protected=protected,
    )


def mean_of(jacobian, which):
    """The mean gradient of some tasks' examples, with the recipe's weights."""
    chosen = torch.tensor(which)
    factors = torch.where(chosen, TASK_WEIGHTS * ROWS, 0.0) / torch.where(chosen, ROWS, 0.0).sum()
    return (factors[:, None] * jacobian).sum(0).double()


def update(jacobian, view):
    return (AGem().weights(view)[:, None] * jacobian).sum(0).double()


def jacobian_with(conflict, seed):
    """Gradients of four tasks in ten dimensions where new and old mean agree or do not."""
    chance = torch.Generator().manual_seed(seed)
    while True:
        found = torch.randn(4, 10, generator=chance)
        along = mean_of(found, [not old for old in OLD]) @ mean_of(found, OLD)
        if (along < -0.05) == conflict and abs(along) > 0.05:
            return found


@pytest.mark.parametrize("seed", range(5))
def test_a_conflict_is_projected_away(seed):
    jacobian = jacobian_with(True, seed)
    new, old = mean_of(jacobian, [not one for one in OLD]), mean_of(jacobian, OLD)
    wanted = new - (new @ old) / (old @ old) * old
    got = update(jacobian, seen(jacobian))
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-6)
    assert float(got @ old) >= -1e-5 * float(got.norm() * old.norm())
    assert float((got - new).norm()) > 0.01 * float(new.norm())


@pytest.mark.parametrize("seed", range(5))
def test_without_a_conflict_replayed_examples_change_nothing(seed):
    jacobian = jacobian_with(False, seed)
    got = update(jacobian, seen(jacobian))
    torch.testing.assert_close(
        got, mean_of(jacobian, [not one for one in OLD]), rtol=1e-5, atol=1e-6
    )
    weights = AGem().weights(seen(jacobian))
    assert weights[torch.tensor(OLD)].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("protected", [(), (False,) * 4], ids=["not said", "none"])
def test_without_replay_it_is_the_mean(protected):
    jacobian = jacobian_with(True, 0)
    weights = AGem().weights(seen(jacobian, protected))
    torch.testing.assert_close(weights, TASK_WEIGHTS * ROWS / ROWS.sum())


def test_replayed_examples_without_a_gradient_change_nothing():
    jacobian = jacobian_with(True, 0)
    jacobian[torch.tensor(OLD)] = 0
    weights = AGem().weights(seen(jacobian))
    expected = torch.where(torch.tensor(OLD), 0.0, TASK_WEIGHTS * ROWS / 5)
    torch.testing.assert_close(weights, expected)


def test_a_gradient_that_is_not_finite_is_not_hidden():
    jacobian = jacobian_with(True, 0)
    jacobian[1, 0] = float("nan")
    assert not AGem().weights(seen(jacobian)).isfinite().all()


def test_auxiliary_tasks_stand_beside_it():
    jacobian = jacobian_with(True, 1)
    view = seen(jacobian)
    got = Auxiliary(AGem(), {"c"}).weights(view)
    without = [0, 1, 3]
    alone = AGem().weights(
        seen(jacobian[without], (False, True, True), ROWS[without], TASK_WEIGHTS[without])
    )
    torch.testing.assert_close(got[without], alone)


@pytest.mark.parametrize("adapter", [None, LORA], ids=["full", "lora"])
def test_the_gradient_of_a_step(adapter):
    """Through the model; the replayed rows ask for other answers to the new ones' prompts."""
    held, tasks = model("llama", adapter), ("new", "old")
    examples = against(drawn(new=6), "new", "old")
    ledger = Ledger(dict(held.trainable()), HALVES * 2)
    split = Split(held, ledger, {"new": 0, "old": 1}, 0, "raw", {})
    settled = parts(
        held, tasks, balancer=AGem(), split=split, protected=frozenset({"old"}), terms=()
    )
    single = {}
    for task in tasks:
        compute_gradient(parts(held, (task,)), 3, [one for one in examples if one[0] == task])
        single[task] = torch.cat([g.flatten() for g in gradients(held).values()]).double()
        held.network.zero_grad(set_to_none=True)
    got = compute_gradient(settled, 3, examples)
    ours = torch.cat([g.flatten() for g in gradients(held).values()]).double()
    new, old = single["new"], single["old"]
    along = float(new @ old)
    assert along < 0
    wanted = new - along / float(old @ old) * old
    assert float((ours - wanted).norm()) < 1e-5 * float(wanted.norm())
    assert abs(float(ours @ old)) < 1e-5 * float(ours.norm() * old.norm())
    assert got.weight["new"] == 1
    assert got.weight["old"] == pytest.approx(-along / float(old @ old), rel=1e-5)


def against(examples, new, old):
    """The examples as those of `new`, and each again for `old` with another last token."""

    def other(row):
        tokens = row.tokens.copy()
        tokens[row.trained] = (tokens[row.trained] + 150) % 299 + 1
        return dataclasses.replace(row, tokens=tokens)

    doubled = []
    for _, rows in examples:
        doubled += [(new, rows), (old, tuple(other(row) for row in rows))]
    return doubled
