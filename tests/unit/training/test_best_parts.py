"""What is remembered of a task's part, what comes back, and what stays as it is."""

import pytest
import torch

import tiny
from madrigal.recipe.model import LoraAdapter, PrivatePart
from madrigal.recipe.stage import EarlyStop
from madrigal.training.best_parts import BestParts
from tiny import private_model

RULE = EarlyStop(patience=1, per_task=True, roll_back=True)
ADAPTER = LoraAdapter(rank=2, private=PrivatePart(rank=3, head=True))
GROUPS = LoraAdapter(rank=2, private=PrivatePart(rank=3, groups={"ab": ("a", "b"), "c": ("c",)}))


def model(adapter=ADAPTER):
    return private_model(adapter, ("a", "b", "c"))


def values(held):
    return {name: p.detach().clone() for name, p in held.trainable()}


def names_of(held, *tasks):
    own = {id(p) for task in tasks for p in held.private.of(task)}
    found = {name for name, p in held.trainable() if id(p) in own}
    assert found
    return found


@torch.no_grad()
def move(held, by=1.0):
    for _, parameter in held.trainable():
        parameter.add_(by)


def changed(held, before):
    return {name for name, p in held.trainable() if not torch.equal(p.detach(), before[name])}


def stepped(held):
    """An optimiser with moments of every parameter."""
    optimiser = torch.optim.AdamW([p for _, p in held.trainable()], lr=1e-3)
    for _, parameter in held.trainable():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    return optimiser


def test_one_part_comes_back_and_nothing_else_moves():
    held = model()
    parts, before = BestParts(held, RULE), values(held)
    parts.keep(["a", "b"])
    move(held)
    after = values(held)
    parts.put_back(["a"])
    assert changed(held, after) == names_of(held, "a")
    assert changed(held, before) == set(before) - names_of(held, "a")


def test_each_task_has_its_own_time():
    held = model()
    parts, first = BestParts(held, RULE), values(held)
    parts.keep(["a", "b"])
    move(held)
    second = values(held)
    parts.keep(["b"])
    move(held)
    parts.put_back(["a", "b"])
    now = values(held)
    assert all(torch.equal(now[name], first[name]) for name in names_of(held, "a"))
    assert all(torch.equal(now[name], second[name]) for name in names_of(held, "b"))


def test_it_can_come_back_twice():
    """A later step cannot reach what is remembered."""
    held = model()
    parts, before = BestParts(held, RULE), values(held)
    parts.keep(["a"])
    for _ in range(2):
        move(held)
        parts.put_back(["a"])
        assert not changed(held, before) & names_of(held, "a")


def test_the_moments_of_the_part_go_and_those_of_others_stay():
    held = model()
    parts, optimiser = BestParts(held, RULE), stepped(held)
    parts.keep(["a", "b"])
    parts.put_back(["a"], optimiser)
    left = {name for name, p in held.trainable() if optimiser.state.get(p)}
    assert left == set(values(held)) - names_of(held, "a")


def test_a_part_that_several_tasks_meet_is_nobodys_to_take_back():
    held = model(GROUPS)
    parts = BestParts(held, RULE)
    parts.keep(["a", "c"])
    assert {key.split("/")[1] for key in parts.tensors()} == {"c"}
    move(held)
    after = values(held)
    parts.put_back(["c"])
    assert changed(held, after) == names_of(held, "c")


def test_what_a_checkpoint_keeps_is_all_that_is_needed():
    held = model()
    parts, before = BestParts(held, RULE), values(held)
    parts.keep(["a", "b"])
    kept = {key: value.clone() for key, value in parts.tensors().items()}
    move(held)
    again = BestParts(held, RULE)
    others = {"exp_avg/x": torch.zeros(2), "memory/a/x": torch.zeros(2)}
    again.load(kept | others)
    assert again.tensors().keys() == kept.keys()
    again.put_back(["a", "b"])
    assert not changed(held, before) & names_of(held, "a", "b")


def test_a_checkpoint_takes_the_place_of_what_was_remembered():
    held = model()
    parts = BestParts(held, RULE)
    parts.keep(["a"])
    kept = parts.tensors()
    parts.keep(["b", "c"])
    parts.load(kept)
    assert {key.split("/")[1] for key in parts.tensors()} == {"a"}


@pytest.mark.parametrize("rule", [None, EarlyStop(patience=1, per_task=True)], ids=["no", "plain"])
def test_where_nobody_asks_nothing_is_done(rule):
    held = model()
    asked = BestParts(held, RULE)
    asked.keep(["a"])
    parts = BestParts(held, rule)
    parts.keep(["a"])
    parts.load(asked.tensors())
    assert parts.tensors() == {}
    move(held)
    after, optimiser = values(held), stepped(model())
    parts.put_back(["a", "b"], optimiser)
    assert not changed(held, after)


def test_a_model_without_parts_has_nothing_to_remember():
    parts = BestParts(tiny.model(adapter=LoraAdapter(rank=2)), RULE)
    parts.keep(["a"])
    assert parts.tensors() == {}
