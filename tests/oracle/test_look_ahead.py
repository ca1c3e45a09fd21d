"""Looking ahead: against steps taken by hand with autograd, and against the first-order term."""

from dataclasses import replace

import pytest
import torch

import tiny
from madrigal.evaluation.affinity import first_order, look_ahead
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.journal import Journal
from madrigal.pipeline.parts import build_split
from madrigal.recipe.stage import Gradients, Optimiser
from madrigal.report.folder import read_lines
from madrigal.training.look_ahead import look_ahead as looked
from madrigal.training.loop import train
from madrigal.training.optimiser import adam_metric, build_optimiser
from madrigal.training.step import compute_gradient, losses_of

TASKS = ("a", "b", "c")
RATE = 0.05


def parts(held: LanguageModel, **changes):
    base = tiny.parts(held, TASKS, **changes)
    settings = Gradients(measure_every=1)
    return tiny.parts(
        held, TASKS, split=build_split(settings, held, base.balancer, TASKS), **changes
    )


def by_hand(held, ready, drawn, clip=0.0, metric=None, rate=RATE):
    """Z_ij: autograd on task i alone, a step, the losses of all, and back."""
    start, before, found = tiny.weights(held), losses_of(ready, 0, drawn), {}
    sizes = [p.numel() for _, p in held.trainable()]
    for task in TASKS:
        held.network.zero_grad()
        own = [(name, example) for name, example in drawn if name == task]
        compute_gradient(tiny.parts(held, TASKS), 0, own)
        flat = torch.cat([p.grad.flatten() for _, p in held.trainable()])
        flat *= min(1.0, clip / float(flat.norm())) if clip else 1.0
        flat = flat if metric is None else flat * metric
        with torch.no_grad():
            for (_, p), part in zip(held.trainable(), flat.split(sizes), strict=True):
                p.sub_(rate * part.view_as(p))
        after = losses_of(ready, 0, drawn)
        found |= {f"{task}>{t}": 1 - after[t] / before[t] for t in TASKS if t != task}
        with torch.no_grad():
            for name, p in held.trainable():
                p.copy_(start[name])
    held.network.zero_grad()
    return found


@pytest.mark.parametrize("clip", [0.0, 0.5], ids=["unclipped", "clipped"])
@pytest.mark.parametrize("adapter", [None, tiny.LORA], ids=["full", "lora"])
def test_it_is_a_step_on_one_task_and_the_weights_come_back_bit_by_bit(adapter, clip):
    held = tiny.model(adapter=adapter)
    ready, drawn = parts(held), tiny.drawn(a=3, b=4, c=2)
    expected = by_hand(held, ready, drawn, clip)
    start = tiny.weights(held)
    gradient = compute_gradient(ready, 0, drawn)
    mixed = tiny.gradients(held)
    found = looked(gradient, ready.split, RATE, clip)
    assert list(found) == list(expected)
    for pair, value in expected.items():
        assert found[pair] == pytest.approx(value, abs=2e-6), pair
    assert max(map(abs, expected.values())) > 1e-4, "the steps do nothing"
    assert all(torch.equal(p, start[name]) for name, p in held.trainable())
    assert all(torch.equal(p.grad, mixed[name]) for name, p in held.trainable())


def test_in_the_metric_of_adamw():
    held = tiny.model(adapter=tiny.LORA)
    ready, drawn = parts(held), tiny.drawn(a=3, b=4, c=2)
    optimiser = build_optimiser(Optimiser(), held)
    for step in range(3):
        compute_gradient(ready, step, drawn)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    metric = adam_metric(optimiser, ready.split.ledger.parameters.values())
    expected = by_hand(held, ready, drawn, metric=metric, rate=1e-4)
    found = looked(compute_gradient(ready, 0, drawn), ready.split, 1e-4, 0.0, metric)
    assert max(map(abs, expected.values())) > 1e-4
    for pair, value in expected.items():
        assert found[pair] == pytest.approx(value, abs=2e-6), pair


def test_the_weights_come_back_where_a_pass_fails(monkeypatch):
    held = tiny.model(adapter=tiny.LORA)
    ready, drawn = parts(held), tiny.drawn(a=2, b=2, c=2)
    start = tiny.weights(held)
    gradient = compute_gradient(ready, 0, drawn)
    passes = iter(range(3))
    real = type(gradient).losses_now

    def failing(self):
        if next(passes) == 2:
            raise KeyboardInterrupt
        return real(self)

    monkeypatch.setattr(type(gradient), "losses_now", failing)
    with pytest.raises(KeyboardInterrupt):
        looked(gradient, ready.split, RATE, 0.0)
    assert all(torch.equal(p, start[name]) for name, p in held.trainable())


@pytest.mark.parametrize("metric", ["raw", "adam"])
def test_first_order_is_its_limit_for_small_steps(tmp_path, metric):
    """The two differ by the second-order term, in proportion to the step: a tenth of the step
    leaves about a tenth of the difference. (Rounding of a loss is 1e-7, a hundredth of it.)"""
    away = {}
    for rate in (1e-2, 1e-3):
        scale = 1.0 if metric == "raw" else 0.01
        settings = tiny.stage(
            learn=TASKS, steps=3, gradients=Gradients(measure_every=1, metric=metric),
            optimiser=Optimiser(learning_rate=rate * scale, clip=0.0, warmup=0.0, beta2=0.5,
                                schedule="constant"),
        )  # fmt: skip
        held = tiny.model(adapter=tiny.LORA)
        folder = tmp_path / f"{rate}"
        run = tiny.stage_run(folder, held, settings)
        split = build_split(settings.gradients, held, run.parts.balancer, TASKS)
        run = tiny.stage_run(folder, held, settings, split=split)
        run = replace(run, look_ahead_every=1)
        train(run, Journal(folder))
        lines = read_lines(folder / "steps.jsonl", folder, [])
        one, two = first_order(lines).values, look_ahead(lines).values
        assert one.shape == two.shape == (3, 3, 3)
        away[rate] = abs(two - one)[~off()].max() / abs(one)[~off()].max()
    assert away[1e-2] < 0.5
    assert away[1e-3] < 0.2 * away[1e-2]


def off():
    """Where the three steps' matrices have nothing: the diagonals."""
    return torch.eye(3, dtype=torch.bool).expand(3, 3, 3).numpy()
