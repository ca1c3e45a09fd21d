"""When gradients are split and measured, and what the loop hands to balancers."""

import dataclasses
import json

import pytest
import torch

from madrigal.balancing import Mean
from madrigal.balancing.base import Follows
from madrigal.errors import ModelError
from madrigal.gradients import Ledger
from madrigal.gradients.gramian import HALVES
from madrigal.pipeline.parts import build_split, when_split
from madrigal.recipe.stage import Gradients, Optimiser
from madrigal.training import split as split_module
from madrigal.training.loop import train
from madrigal.training.optimiser import adam_metric, build_optimiser
from madrigal.training.record import StepRecord
from madrigal.training.split import Split, layer_groups
from tiny import LORA, model, stage, stage_run

AUTO, NEVER = Gradients(), Gradients(measure_every=0)


@dataclasses.dataclass
class Asks:
    """A balancer that needs something, and keeps what `update` saw."""

    needs: str = "gramian"
    wants_losses_after: bool = False
    validation_every: int = 0
    views: list = dataclasses.field(default_factory=list)

    def weights(self, view):
        return torch.full((len(view.tasks),), 1 / len(view.tasks))

    def update(self, view):
        self.views.append(view)

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


class TestWhen:
    @pytest.mark.parametrize("adapter", [LORA, None], ids=["lora", "full"])
    def test_often_in_the_first_steps_and_seldom_after(self, adapter):
        split = build_split(AUTO, model("llama", adapter), Mean(), ("a", "b"))
        measured = [step for step in range(100) if split.measures(step)]
        assert measured == [*range(10, 50, 3), 64, 80, 96]

    def test_a_pace_that_the_recipe_gives_is_the_same_all_along(self):
        split = build_split(Gradients(measure_every=20), model("llama", LORA), Mean(), ("a", "b"))
        assert [step for step in range(100) if split.measures(step)] == [0, 20, 40, 60, 80]
        never = build_split(NEVER, model("llama", LORA), Asks(), ("a", "b"))
        assert not any(never.measures(step) for step in range(100))

    def test_the_ledger_may_grow_with_what_training_holds(self, monkeypatch):
        held = model("llama", LORA)
        monkeypatch.setattr(split_module, "_LEDGER_BYTES", 0)
        every, trained = held.parameter_counts()
        room = 4 * every + 12 * trained  # weights in float32, gradients and two moments
        most = room // 4 // (4 * HALVES * trained)
        for tasks, found in ((most, 16), (most + 1, 0)):
            assert split_module.measure_every(AUTO, dict(held.trainable()), held, tasks) == found

    def test_not_where_the_ledger_would_be_too_large(self, monkeypatch):
        monkeypatch.setattr(split_module, "_LEDGER_SHARE", 1 << 40)
        asked, full, adapter = Gradients(measure_every=3), model("llama"), model("llama", LORA)
        needed = 4 * HALVES * 2 * adapter.parameter_counts()[1]
        monkeypatch.setattr(split_module, "_LEDGER_BYTES", needed)
        assert when_split(AUTO, full, Mean(), ("a", "b")) is None
        assert when_split(AUTO, adapter, Mean(), ("a", "b")) == 16
        assert when_split(AUTO, adapter, Mean(), ("a", "b", "c")) is None
        assert when_split(asked, adapter, Mean(), ("a", "b", "c")) == 3
        assert when_split(asked, full, Mean(), ("a", "b")) == 3

    def test_not_with_one_task_or_where_the_recipe_says_never(self):
        assert when_split(AUTO, model("llama", LORA), Mean(), ("a",)) is None
        assert when_split(NEVER, model("llama", LORA), Mean(), ("a", "b")) is None

    def test_a_balancer_that_needs_it_gets_it_unmeasured(self):
        assert when_split(NEVER, model("llama", LORA), Asks(), ("a", "b")) == 0

    def test_an_uncovered_parameter_is_refused_only_where_it_matters(self, monkeypatch):
        held = model("llama", LORA)
        monkeypatch.setattr("madrigal.gradients.install._kind", lambda _: None)
        assert when_split(AUTO, held, Mean(), ("a", "b")) is None
        for settings, balancer in ((Gradients(measure_every=1), Mean()), (NEVER, Asks())):
            with pytest.raises(ModelError, match=r"the gradient of .* cannot be split by task"):
                when_split(settings, held, balancer, ("a", "b"))

    def test_the_ledger_holds_both_halves_of_every_task(self):
        settings = Gradients(by_layer=True, measure_every=4)
        split = build_split(settings, model("llama", LORA), Mean(), ("a", "b"))
        assert split.ledger.rows == HALVES * 2
        assert split.order == {"a": 0, "b": 1}
        assert set(split.layers) == {"block 0", "block 1"}
        assert [split.measures(step) for step in range(5)] == [True, False, False, False, True]


def test_blocks_are_found_under_the_names_of_architectures():
    for kind in ("llama", "gpt2", "gpt_neo"):
        groups = layer_groups(dict(model(kind).trainable()))
        assert set(groups) == {"block 0", "block 1", "other"}


def run(folder, balancer, metric="raw", every=1, clip=1.0, **keys):
    held = model("gpt2", resid_pdrop=0.1)
    settings = stage(optimiser=Optimiser(learning_rate=0.01, warmup=0.2, clip=clip))
    ready = stage_run(folder, held, settings, None, 0)
    order = {"a": 0, "b": 1}
    split = Split(held, Ledger(dict(held.trainable()), 4), order, every, metric, {})
    parts = dataclasses.replace(ready.parts, balancer=balancer, split=split)
    ready = dataclasses.replace(ready, parts=parts, **keys)
    records = []
    train(ready, lambda what: records.append(what) if isinstance(what, StepRecord) else None)
    return records


def test_update_sees_the_losses_of_every_step(tmp_path):
    balancer = Asks()
    records = run(tmp_path, balancer)
    assert len(balancer.views) == len(records)
    for view, record in zip(balancer.views, records, strict=True):
        assert dict(zip(view.tasks, view.losses.tolist(), strict=True)) == dict(record.loss)
        assert view.losses_after is None
        assert view.validation is None
        assert view.gramian is not None


def test_losses_after_are_those_of_the_moved_weights(tmp_path):
    balancer = Asks("losses", wants_losses_after=True)
    assert isinstance(balancer, Follows)
    run(tmp_path, balancer, every=0)
    before = torch.stack([view.losses.sum() for view in balancer.views])
    after = torch.stack([view.losses_after.sum() for view in balancer.views])
    assert (after < before).float().mean() > 0.7  # a step helps the examples it was taken on


def test_validation_losses_come_when_asked_for(tmp_path):
    balancer = Asks("losses", validation_every=3)
    run(tmp_path, balancer, every=0, validation_losses=lambda step: {"a": float(step), "b": 0.0})
    seen = [view.validation for view in balancer.views]
    assert [s is not None for s in seen[:7]] == [True, False, False, True, False, False, True]
    assert seen[3] == {"a": 3, "b": 0.0}


def test_conflict_is_told_at_measured_steps_only(tmp_path):
    records = run(tmp_path, Asks(), every=2)
    assert [r.conflict is not None for r in records[:4]] == [True, False, True, False]
    assert json.dumps(records[0].conflict.angles.cosine)


def test_the_metric_of_adam_is_its_own_scale(tmp_path):
    held = model("llama", LORA)
    optimiser = build_optimiser(Optimiser(epsilon=1e-3), held)
    parameters = [p for _, p in held.trainable()]
    assert adam_metric(optimiser, parameters).eq(1).all()
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    before = [p.detach().clone() for p in parameters]
    grads = torch.cat([p.grad.flatten() for p in parameters])
    optimiser.step()
    # After one step AdamW has moved by lr * m / (sqrt(v / (1 - beta2)) + eps), m = gradient.
    moved = torch.cat([(b - p).flatten() for b, p in zip(before, parameters, strict=True)])
    scale = adam_metric(optimiser, parameters)
    v = (1 - 0.98) * grads.square()
    torch.testing.assert_close(scale, 1 / (v.sqrt() + 1e-3))
    cosine = torch.cosine_similarity(moved, scale * grads, dim=0)
    assert cosine > 0.99


def test_the_metric_reaches_the_gramian(tmp_path):
    raw, adam = Asks(), Asks()
    run(tmp_path / "raw", raw)
    run(tmp_path / "adam", adam, metric="adam")
    first, later = ([view.gramian for view in balancer.views[:2]] for balancer in (raw, adam))
    assert torch.equal(first[0], later[0])  # AdamW has no scale before its first step
    assert not torch.allclose(first[1], later[1])


class ByLength(Asks):
    """Weights that gradients cut before they are balanced would change."""

    def weights(self, view):
        lengths = view.gramian.diagonal().sqrt()
        return (lengths / lengths.sum()).float()


def test_the_balanced_gradient_is_clipped_and_not_the_tasks_own(tmp_path, monkeypatch):
    step, seen = torch.optim.AdamW.step, {}

    def first(clip):
        def spy(self, *args, **keys):
            held = [p.grad.flatten() for group in self.param_groups for p in group["params"]]
            seen.setdefault(clip, torch.cat(held))
            return step(self, *args, **keys)

        monkeypatch.setattr(torch.optim.AdamW, "step", spy)
        run(tmp_path / f"{clip}", ByLength(), clip=clip)
        return seen[clip]

    free, clipped = first(0.0), first(0.05)
    assert float(free.norm()) > 0.5
    torch.testing.assert_close(clipped, free * (0.05 / free.norm()))
