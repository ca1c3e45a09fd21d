import math

import pytest
import torch

from balancer_view import view, weights
from madrigal.balancing import Follows
from madrigal.balancing.base import wants_losses_after, wants_validation
from madrigal.balancing.equal import Equal
from madrigal.balancing.famo import Famo

LOSSES = {"a": 0.5, "b": 2.0, "c": 4.0}


def test_asks_for_the_losses_after_the_step():
    famo = Famo(0.025, 1e-3, {})
    assert isinstance(famo, Follows)
    assert wants_losses_after(famo)
    assert not wants_validation(famo, 0)
    assert not wants_losses_after(Equal())


def test_weights_are_the_scaled_slopes_of_the_weighted_logarithms():
    famo = Famo(0.025, 1e-3, {"c": 1.0})
    found = weights(famo, LOSSES)
    inverse = {"a": 1 / 0.5, "b": 1 / 2.0, "c": 1 / 3.0}
    expected = {task: value / sum(inverse.values()) for task, value in inverse.items()}
    assert found == pytest.approx(expected, rel=1e-6)


def test_a_task_that_gained_less_counts_more_afterwards():
    famo = Famo(0.025, 0.0, {})
    before = weights(famo, LOSSES)
    famo.update(view(LOSSES, after={"a": 0.4, "b": 2.0, "c": 4.4}))
    after = weights(famo, LOSSES)
    assert after["a"] < before["a"]
    assert after["c"] > before["c"]
    # The first step of Adam moves each logit by its rate, by the sign of what it gained.
    odds = (after["c"] / after["a"]) / (before["c"] / before["a"])
    assert odds == pytest.approx(math.exp(0.05), rel=1e-6)


def test_decay_pulls_the_weights_back():
    famo = Famo(0.025, 0.1, {})
    for step in range(20):
        famo.update(view(LOSSES, step, after={"a": 0.4, "b": 2.0, "c": 4.4}))
    far = weights(famo, LOSSES)["c"]
    for step in range(20, 200):
        famo.update(view(LOSSES, step, after=LOSSES))
    assert weights(famo, LOSSES)["c"] < far
    assert weights(famo, LOSSES) == pytest.approx(weights(Famo(0.1, 0.0, {}), LOSSES), abs=0.03)


def test_an_absent_task_keeps_its_logit():
    famo, other = Famo(0.025, 0.0, {}), Famo(0.025, 0.0, {})
    for balancer in (famo, other):
        balancer.update(view(LOSSES, after={"a": 0.4, "b": 2.0, "c": 4.4}))
    for step in range(1, 9):
        famo.update(view({"a": 1.0}, step, after={"a": 0.5}))
    # A task alone has nothing to be compared with: its slope is zero, what Adam remembers is not.
    assert famo.state_dict()["c"] == other.state_dict()["c"]
    assert famo.state_dict()["a"][3] == 9


def test_a_loss_at_its_lowest_takes_no_logarithm_of_nothing():
    famo = Famo(0.025, 1e-3, {"a": 1.0, "b": 1.0})
    famo.update(view(LOSSES, after={"a": 0.1, "b": 0.5, "c": math.nan}))
    assert set(famo.state_dict()) == {"a", "b"}
    assert all(math.isfinite(x) for held in famo.state_dict().values() for x in held)
    found = weights(famo, LOSSES)
    assert sum(found.values()) == pytest.approx(1)
    assert min(found.values()) > 0


def test_without_the_losses_after_the_step_it_says_so():
    with pytest.raises(ValueError, match="after the step"):
        Famo(0.025, 1e-3, {}).update(view(LOSSES))


FIRST, SECOND = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 0.5])


def quadratics(place):
    """Two bowls, one a thousand times as steep; the Pareto set is the line between the centres."""
    return torch.stack([1000 * (place - FIRST).square().sum(), (place - SECOND).square().sum()])


def descend(balancer, steps=1500, rate=0.01):
    place = torch.tensor([-0.5, 2.0], requires_grad=True)
    optimiser = torch.optim.Adam([place], lr=rate)
    for step in range(steps):
        losses = quadratics(place)
        seen = dict(zip("ab", losses.tolist(), strict=True))
        found = balancer.weights(view(seen, step)).to(losses)
        optimiser.zero_grad()
        (found * losses).sum().backward()
        optimiser.step()
        after = dict(zip("ab", quadratics(place).tolist(), strict=True))
        balancer.update(view(seen, step, after=after))
    return place.detach()


def along(place):
    """How far along the line between the centres a place is, and how far from the line."""
    line = SECOND - FIRST
    share = float((place - FIRST) @ line / (line @ line))
    return share, float((place - FIRST - share * line).norm())


def test_reaches_the_pareto_set_in_balance_where_equal_weights_serve_the_steep_task_alone():
    share, off = along(descend(Famo(0.025, 1e-3, {})))
    assert off < 0.01
    assert 0.2 < share < 0.8
    share, off = along(descend(Equal()))
    assert off < 0.01
    assert share < 0.01
