"""Every balancer works with bfloat16: it loses what rounding costs a plain sum, and no more.

Matrix products are rounded to 8 bits, but the ledger adds them up in float32 and is multiplied with
itself so. The Gramian is off by less than 1 % of the norms, and weights that come of it likewise.
"""

import functools
from dataclasses import replace

import pytest
import torch

import tiny
from madrigal.balancing import build_balancer
from madrigal.balancing.base import Remembers
from madrigal.gradients import Ledger
from madrigal.gradients.gramian import HALVES
from madrigal.gradients.memory import Memory
from madrigal.recipe.shape import shapes
from madrigal.recipe.stage import StageSettings
from madrigal.training.split import Split
from madrigal.training.step import compute_gradient

TASKS = ("a", "b", "c", "d")
KINDS = sorted(shapes(StageSettings)["balance"].kinds)
OFF = 0.01  # of norms and of weights


def drawn(alike):
    """Four tasks; two may have the same examples but for one token, and so nearly one gradient."""
    some = tiny.drawn(a=6, b=5, c=4, d=2)
    if not alike:
        return some
    (first,), *rest = (example for task, example in some if task == "a")
    tokens = first.tokens.copy()
    tokens[0] = tokens[0] % 290 + 1
    twins = [(replace(first, tokens=tokens),), *rest]
    return [(t, e) for t, e in some if t != "b"] + [("b", twin) for twin in twins]


@functools.cache
def model(precision):
    held = tiny.model("llama", tiny.LORA, precision=precision)
    return held, Ledger(dict(held.trainable()), HALVES * len(TASKS))


@functools.cache
def step(kind, precision, alike):
    """What a balancer saw and weighed, and the gradient that it left."""
    keys = {"kind": kind}
    if kind == "fixed":
        keys["weights"] = {task: place + 1.0 for place, task in enumerate(TASKS)}
    balancer = build_balancer(tiny.stage(learn=TASKS, balance=keys).balance)
    held, ledger = model(precision)
    memory = Memory(ledger) if isinstance(balancer, Remembers) else None
    order = {task: place for place, task in enumerate(TASKS)}
    split = Split(held, ledger, order, 1, "raw", {}, memory)
    parts = tiny.parts(held, TASKS, balancer=balancer, split=split, microbatch_tokens=4096)
    found = compute_gradient(parts, 3, drawn(alike))
    flat = torch.cat([gradient.flatten() for gradient in tiny.gradients(held).values()])
    held.network.zero_grad(set_to_none=True)
    return found.view, torch.tensor([found.weight[task] for task in TASKS]), flat.double()


def off(found, wanted):
    return float((found - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("alike", [False, True], ids=["apart", "two tasks alike"])
@pytest.mark.parametrize("kind", KINDS)
def test_rounding_is_not_made_worse(kind, alike):
    wide, weights, gradient = step(kind, torch.float32, alike)
    narrow, rounded, away = step(kind, torch.bfloat16, alike)
    assert wide.tasks == narrow.tasks
    norms = wide.gramian.diagonal().sqrt()
    assert float(((narrow.gramian - wide.gramian).abs() / torch.outer(norms, norms)).max()) < OFF
    assert off(rounded, weights) < OFF
    assert off(away, gradient) > 0, "nothing was rounded"
    _, _, plain = step("mean", torch.float32, alike)
    _, _, plainly = step("mean", torch.bfloat16, alike)
    assert off(away, gradient) < 1.25 * off(plainly, plain)
