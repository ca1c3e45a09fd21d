"""Balancers by loss, step by step, against TorchJD's scalarizations of the same losses."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from balancer_view import view, weights
from madrigal.balancing.dwa import Dwa
from madrigal.balancing.famo import Famo
from madrigal.balancing.gls import Gls
from madrigal.balancing.imtl_l import ImtlL
from madrigal.balancing.random import Random
from madrigal.balancing.stch import Stch
from madrigal.balancing.uncertainty import Uncertainty

scalarization = pytest.importorskip("torchjd.scalarization")

TASKS = ("a", "b", "c")
CLOSE = {"rel": 1e-9, "abs": 1e-12}


def losses(steps=60, seed=0):
    """Falling noisy losses of three sizes, a row a step."""
    chance = np.random.default_rng(seed)
    fall = np.exp(-np.arange(steps)[:, None] * [0.05, 0.01, 0.03])
    return fall * [0.3, 2.0, 9.0] * np.exp(0.1 * chance.standard_normal((steps, 3)))


def seen(row):
    return dict(zip(TASKS, row.tolist(), strict=True))


def slopes(scalarizer, row):
    """What TorchJD's objective multiplies each task's gradient by, and the objective itself."""
    held = torch.tensor(row, dtype=torch.float64, requires_grad=True)
    total = scalarizer(held)
    return torch.autograd.grad(total, held, retain_graph=True)[0].tolist(), total


def double(scalarizer):
    return scalarizer.to(torch.float64) if isinstance(scalarizer, torch.nn.Module) else scalarizer


@pytest.mark.parametrize(
    ("ours", "theirs", "factor"),
    [
        # Theirs is the paper's sum; ours divides by the number of tasks, and by the half of UW.
        (Uncertainty(0.03), lambda: scalarization.UW(3), 2 / 3),
        (ImtlL(0.03), lambda: scalarization.IMTLL(3), 1 / 3),
    ],
    ids=["uncertainty", "imtl_l"],
)
def test_learned_scales(ours, theirs, factor):
    scalarizer = double(theirs())
    optimiser = torch.optim.Adam(scalarizer.parameters(), lr=0.03)
    for step, row in enumerate(losses()):
        expected, total = slopes(scalarizer, row)
        found = weights(ours, seen(row), step=step)
        assert list(found.values()) == pytest.approx([factor * x for x in expected], **CLOSE)
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        ours.update(view(seen(row), step))


def test_geometric_mean():
    for row in losses():
        expected, _ = slopes(scalarization.GeometricMean(), row)
        assert list(weights(Gls(), seen(row)).values()) == pytest.approx(expected, **CLOSE)


def test_dynamic_weight_average():
    scalarizer, ours, window = scalarization.DWA(2.0), Dwa(7, 2.0), 7
    for step, row in enumerate(losses()):
        if step and step % window == 0:
            scalarizer.step()
        expected, _ = slopes(scalarizer, row)
        found = weights(ours, seen(row), step=step)
        assert list(found.values()) == pytest.approx([x / 3 for x in expected], **CLOSE)
        ours.update(view(seen(row), step))


def test_smooth_tchebycheff():
    rows, ideal = losses(), {"a": 0.01, "c": 0.5}
    ours = Stch(0.2, 10, ideal)
    for step, row in enumerate(rows[:10]):
        ours.update(view(seen(row), step))
    best = torch.tensor([ideal.get(task, 0.0) for task in TASKS], dtype=torch.float64)
    preference = 1 / (torch.tensor(rows[:10].mean(0)) - best)
    scalarizer = scalarization.STCH(0.2, preference, best)
    for step, row in enumerate(rows[10:], 10):
        expected, _ = slopes(scalarizer, row)
        found = weights(ours, seen(row), step=step)
        scale = float(preference.mean())
        assert list(found.values()) == pytest.approx([x / scale for x in expected], **CLOSE)


@pytest.mark.parametrize("lowest", [None, [0.01, 0.0, 0.5]], ids=["zero", "given"])
def test_famo(lowest):
    bound = None if lowest is None else torch.tensor(lowest, dtype=torch.float64)
    theirs = double(scalarization.FAMO(3, bound, lr=0.025, weight_decay=1e-3))
    ours = Famo(0.025, 1e-3, dict(zip(TASKS, lowest or [0.0] * 3, strict=True)))
    rows = losses()
    for step, (row, after) in enumerate(pairwise(rows)):
        expected, _ = slopes(theirs, row)
        found = weights(ours, seen(row), step=step)
        assert list(found.values()) == pytest.approx(expected, **CLOSE)
        theirs.update(torch.tensor(after, dtype=torch.float64))
        ours.update(view(seen(row), step, after=seen(after)))


def test_random_weights_have_the_same_distribution():
    from scipy import stats

    torch.manual_seed(0)
    row = np.ones(3)
    theirs = [slopes(scalarization.Random(), row)[0][0] for _ in range(2000)]
    ours = [weights(Random(), seen(row), step=step)["a"] for step in range(2000)]
    assert stats.ks_2samp(ours, theirs).pvalue > 0.001
