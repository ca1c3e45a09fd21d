"""What every balancer by loss does when one task's loss is measured in other units."""

from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balancer_view import view, weights
from madrigal.balancing import build_balancer
from madrigal.recipe import balance_by_loss as recipe
from madrigal.recipe.shape import kind_of

TASKS = ("a", "b", "c")

# `weights`: the weights stay, so the task counts more in the objective, by the factor.
# `shares`: what each task adds to the weighted loss stays, so units do not matter.
# `neither`: from the first to the second, as the scales are learnt.
BEHAVIOUR = {
    "fixed": "weights", "random": "weights", "dwa": "weights", "coba": "weights",
    "gls": "shares", "scale_invariant": "shares", "stch": "shares", "famo": "shares",
    "uncertainty": "neither", "imtl_l": "neither",
}  # fmt: skip
KEYS = {
    "fixed": {"weights": {"a": 1.0, "b": 2.0, "c": 0.5}},
    "dwa": {"window": 2},
    "stch": {"warmup": 3},
    "coba": {"warmup": 2},
}
KINDS = {kind_of(model): model for model in get_args(recipe.ByLoss)}


def rounds(seed):
    """Six steps of losses between 0.1 and 10 nats; no two fall by the same share."""
    drawn = np.random.default_rng(seed).uniform(-1, 1, (6, len(TASKS)))
    return [dict(zip(TASKS, row, strict=True)) for row in (10**drawn).tolist()]


def after(kind, losses):
    """The weights for the last losses, once a balancer has lived through those before."""
    balancer = build_balancer(KINDS[kind](**KEYS.get(kind, {})))
    for step, (now, then) in enumerate(pairwise(losses)):
        balancer.update(view(now, step, after=then, validation=now))
    return weights(balancer, losses[-1], step=len(losses) - 1)


def shares(found, losses):
    parts = {task: weight * losses[task] for task, weight in found.items()}
    return {task: part / sum(parts.values()) for task, part in parts.items()}


def test_every_kind_is_in_the_table():
    assert set(BEHAVIOUR) == set(KINDS)


@pytest.mark.parametrize("kind", [kind for kind, what in BEHAVIOUR.items() if what != "neither"])
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.01, 100.0))
def test_one_loss_in_other_units(kind, seed, factor):
    plain = rounds(seed)
    scaled = [row | {"a": factor * row["a"]} for row in plain]
    before, then = after(kind, plain), after(kind, scaled)
    if BEHAVIOUR[kind] == "weights":
        assert then == pytest.approx(before, rel=1e-6)
    else:
        assert shares(then, scaled[-1]) == pytest.approx(shares(before, plain[-1]), rel=1e-4)


@pytest.mark.parametrize("kind", ["uncertainty", "imtl_l"])
def test_learned_scales_go_from_one_to_the_other(kind):
    plain, scaled = {"a": 1.0, "b": 2.0, "c": 0.5}, {"a": 10.0, "b": 2.0, "c": 0.5}
    assert after(kind, [plain] * 2)["a"] == pytest.approx(after(kind, [scaled] * 2)["a"], rel=0.1)
    third = pytest.approx(dict.fromkeys(TASKS, 1 / 3), rel=1e-2)
    for losses in (plain, scaled):
        assert shares(after(kind, [losses] * 600), losses) == third
