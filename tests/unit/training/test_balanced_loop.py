"""A stage under every balancer by loss: it trains, and resumes bit by bit."""

import dataclasses
import os
from typing import get_args

import pytest
import torch

import tiny
from madrigal.balancing import build_balancer
from madrigal.pipeline.parts import build_split
from madrigal.recipe import balance_by_loss as recipe
from madrigal.recipe.shape import kind_of
from madrigal.recipe.stage import Gradients
from madrigal.training.loop import train
from madrigal.training.record import StepRecord
from madrigal.training.step import losses_of

# Such keys that every balancer has moved its weights within a few steps.
KEYS = {
    "fixed": {"weights": {"a": 1.0, "b": 3.0}},
    "dwa": {"window": 2},
    "stch": {"warmup": 2},
    "coba": {"warmup": 2},
}
KINDS = {kind_of(model): model for model in get_args(recipe.ByLoss)}


class Died(BaseException):
    """As SIGKILL: nothing catches it."""


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)


def go(folder, kind, die_after=0):
    """Train eight steps or die after some: the tasks' weights by step, the model's at the end."""
    balancer = build_balancer(KINDS[kind](**KEYS.get(kind, {})))
    held = tiny.model(adapter=tiny.LORA)
    split = build_split(Gradients(measure_every=0), held, balancer, ("a", "b"))
    settings = tiny.stage(checkpoint_every=3)
    run = tiny.stage_run(folder, held, settings, balancer=balancer, split=split)
    rows = tiny.drawn(a=2, b=2)
    run = dataclasses.replace(run, validation_losses=lambda step: losses_of(run.parts, step, rows))
    seen = {}

    def observe(what):
        if isinstance(what, StepRecord):
            seen[what.step] = what.weight
            if what.step == die_after:
                raise Died

    train(run, observe)
    return seen, tiny.weights(held)


@pytest.mark.parametrize("kind", KINDS)
def test_resumed_goes_the_same_way(tmp_path, kind):
    weights, straight = go(tmp_path / "straight", kind)
    # All others react to what happens: their weights must have moved for this to say anything.
    if kind not in ("fixed", "random"):
        assert weights[8] != weights[1]
    with pytest.raises(Died):
        go(tmp_path / "resumed", kind, die_after=5)
    again, resumed = go(tmp_path / "resumed", kind)
    assert again == {step: weight for step, weight in weights.items() if step > 3}
    for name, expected in straight.items():
        assert torch.equal(resumed[name], expected), name
