"""An auxiliary task counts as far as it agrees with the main tasks."""

import json
from dataclasses import replace

import pytest
import torch

from madrigal.balancing import Equal, StepView
from madrigal.balancing.auxiliary import Auxiliary
from madrigal.balancing.base import Follows, wants_losses_after, wants_validation
from madrigal.balancing.coba import Coba

TASKS = ("main", "helper", "other")


def view(helper, tasks=TASKS, step=0):
    """Two main tasks at right angles, and a helper in a direction of the plane."""
    rows = {"main": (2.0, 0.0), "other": (0.0, 2.0), "helper": helper}
    jacobian = torch.tensor([rows[task] for task in tasks], dtype=torch.float64)
    return StepView(
        tasks=tuple(tasks),
        rows=torch.tensor([{"main": 4.0, "other": 2.0, "helper": 6.0}[t] for t in tasks]),
        task_weights=torch.tensor([{"helper": 3.0}.get(t, 1.0) for t in tasks]),
        losses=torch.ones(len(tasks)),
        gramian=jacobian @ jacobian.T,
        step=step,
    )


@pytest.mark.parametrize(
    ("helper", "cosine"),
    [((5.0, 5.0), 1.0), ((-1.0, -1.0), 0.0), ((1.0, -1.0), 0.0), ((3.0, 0.0), 0.5**0.5)],
    ids=["agrees", "opposes", "at a right angle", "half"],
)
def test_weight_follows_the_cosine_with_the_main_update(helper, cosine):
    weights = Auxiliary(Equal(), {"helper"}).weights(view(helper))
    assert weights.tolist() == pytest.approx([0.5, 3.0 * 0.5 * cosine, 0.5], abs=1e-7)


def test_the_main_tasks_are_weighed_as_if_alone():
    weights = Auxiliary(Equal(), {"helper"}).weights(view((1.0, 0.0)))
    assert weights[[0, 2]].tolist() == Equal().weights(view((1.0, 0.0), ("main", "other"))).tolist()


def test_a_main_balancer_that_follows_validation_does_not_see_the_helpers():
    told = [{"main": 1.0 - 0.1 * n, "other": 1.0 - 0.02 * n, "helper": 1.0 + n} for n in range(6)]
    held, alone = Auxiliary(Coba(0, 50, 5.0, 1), {"helper"}), Coba(0, 50, 5.0, 1)
    for step, losses in enumerate(told):
        held.update(replace(view((3.0, 0.0), step=step), validation=losses))
        del losses["helper"]
        part = view((3.0, 0.0), ("main", "other"), step)
        alone.update(replace(part, validation=losses))
    wanted = alone.weights(view((3.0, 0.0), ("main", "other"), 6))
    assert wanted[0] != wanted[1]
    assert held.weights(view((3.0, 0.0), step=6))[[0, 2]].tolist() == wanted.tolist()


def test_the_cosine_is_averaged_over_steps():
    balancer = Auxiliary(Equal(), {"helper"}, decay=0.75)
    balancer.update(view((1.0, 1.0)))
    opposed = view((-1.0, -1.0))
    assert balancer.weights(opposed)[1] == pytest.approx(1.5 * (0.75 * 1 - 0.25 * 1))
    for _ in range(3):
        balancer.update(opposed)
    assert balancer.weights(opposed)[1] == 0.0


def test_steps_without_main_tasks_or_helper_keep_what_is_known():
    balancer = Auxiliary(Equal(), {"helper"})
    balancer.update(view((3.0, 0.0)))
    alone = view((3.0, 0.0), ("helper",))
    assert balancer.weights(alone).tolist() == pytest.approx([3.0 * 0.5**0.5])
    balancer.update(alone)
    balancer.update(view((3.0, 0.0), ("main", "other")))
    assert balancer.state_dict()["cosines"]["helper"] == pytest.approx(0.5**0.5)


def test_state_resumes_through_json():
    one, two = (Auxiliary(Equal(), {"helper"}) for _ in range(2))
    one.update(view((1.0, 0.3)))
    two.load_state_dict(json.loads(json.dumps(one.state_dict())))
    assert torch.equal(one.weights(view((0.2, 1.0))), two.weights(view((0.2, 1.0))))


class Watcher(Equal):
    """A main balancer that asks for more."""

    wants_losses_after, validation_every = True, 5


def test_what_the_main_balancer_asks_for_is_asked_for():
    balancer = Auxiliary(Watcher(), {"helper"})
    assert isinstance(balancer, Follows)
    assert wants_losses_after(balancer)
    assert [wants_validation(balancer, step) for step in (0, 1, 5)] == [True, False, True]
    assert not wants_losses_after(Auxiliary(Equal(), {"helper"}))
