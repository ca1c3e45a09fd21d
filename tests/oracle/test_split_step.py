"""A step whose gradients are split by task, against one step a task with plain autograd."""

import math
from dataclasses import replace

import pytest
import torch

from madrigal.errors import ModelError
from madrigal.gradients import Ledger, layers
from madrigal.gradients.gramian import HALVES
from madrigal.model.language_model import LanguageModel
from madrigal.objectives import Likelihood
from madrigal.recipe.model import LoraAdapter
from madrigal.training.split import Split, layer_groups
from madrigal.training.step import compute_gradient, verify_split
from tiny import LORA, drawn, gradients, model, parts

TASKS = ("a", "b", "c")
COUNTS = {"a": 5, "b": 3, "c": 1}


class Probe:
    """A balancer that keeps what it saw and answers as told."""

    def __init__(self, weights, needs="gramian"):
        self.given, self.needs, self.seen = weights, needs, None

    def weights(self, view):
        self.seen = view
        return torch.tensor([self.given[task] for task in view.tasks])

    def update(self, view):
        pass

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


WEIGHTS = {"a": 0.5, "b": -0.25, "c": 2.0}


def split(held, every=1, tasks=TASKS, by_layer=False, metric="raw"):
    ledger = Ledger(dict(held.trainable()), HALVES * len(tasks))
    order = {task: place for place, task in enumerate(tasks)}
    layers = layer_groups(ledger.parameters) if by_layer else {}
    return Split(held, ledger, order, every, metric, layers)


def settled(held, balancer, every=1, tasks=TASKS, **changes):
    by_layer = changes.pop("by_layer", False)
    return parts(
        held, tasks, balancer=balancer, split=split(held, every, tasks, by_layer), **changes
    )


def alone(held, examples, task, tasks=TASKS):
    """Loss and gradient of one task's mean loss, by the plain step."""
    mine = [(name, example) for name, example in examples if name == task]
    found = compute_gradient(parts(held, tasks), 3, mine)
    flat = torch.cat([g.flatten() for g in gradients(held).values()])
    held.network.zero_grad(set_to_none=True)
    return found.loss[task], flat


def assert_close(found, wanted, tolerance=1e-5):
    assert (found - wanted).norm() <= tolerance * wanted.norm()


@pytest.mark.parametrize("microbatch_tokens", [4096, 30], ids=["one pass", "many passes"])
@pytest.mark.parametrize("adapter", [None, LORA], ids=["full", "lora"])
@pytest.mark.parametrize("every", [1, 0], ids=["measured", "not measured"])
def test_gramian_losses_and_mixed_gradient(adapter, microbatch_tokens, every):
    held, examples, probe = model("llama", adapter), drawn(**COUNTS), Probe(WEIGHTS)
    single = {task: alone(held, examples, task) for task in TASKS}
    got = compute_gradient(
        settled(held, probe, every, microbatch_tokens=microbatch_tokens), 3, examples
    )
    ours = torch.cat([g.flatten() for g in gradients(held).values()])
    order = probe.seen.tasks
    rows = torch.stack([single[task][1] for task in order]).double()
    assert_close(probe.seen.gramian, rows @ rows.T)
    assert got.loss == pytest.approx({task: single[task][0] for task in TASKS}, rel=1e-5)
    weights = torch.tensor([WEIGHTS[task] for task in order], dtype=torch.float64)
    assert_close(ours.double(), weights @ rows)
    assert got.weight == pytest.approx(WEIGHTS)


def test_many_passes_are_one(monkeypatch):
    """Accumulation: the Gramian is that of the whole step, not a sum over microbatches."""
    held, examples = model("llama", LORA), drawn(**COUNTS)
    found = []
    for limit in (4096, 30):
        probe = Probe(WEIGHTS)
        compute_gradient(settled(held, probe, microbatch_tokens=limit), 3, examples)
        order = torch.tensor([probe.seen.tasks.index(task) for task in TASKS])
        found.append(probe.seen.gramian[order][:, order])
    assert_close(found[1], found[0])


def test_angles_are_those_of_the_rows_and_signals_those_of_the_halves():
    held, examples, probe = model("llama", LORA), drawn(**COUNTS), Probe(WEIGHTS)
    conflict = compute_gradient(settled(held, probe), 3, examples).conflict
    held.network.zero_grad(set_to_none=True)
    rows = {task: alone(held, examples, task)[1].double() for task in TASKS}
    order = probe.seen.tasks
    for i, one in enumerate(order):
        assert conflict.angles.norm[one] == pytest.approx(float(rows[one].norm()), rel=1e-5)
        for two in order[i + 1 :]:
            cosine = torch.cosine_similarity(rows[one], rows[two], dim=0)
            assert conflict.angles.cosine[f"{one}|{two}"] == pytest.approx(float(cosine), abs=1e-5)
    negative = [c < 0 for c in conflict.angles.cosine.values()]
    assert conflict.rate == sum(negative) / 3
    assert set(conflict.angles.signal) == {"a", "b"}  # one example has no second half
    for task in ("a", "b"):
        mine = [(name, example) for name, example in examples if name == task]
        halves = [alone(held, mine[half::2], task)[1].double() for half in range(2)]
        expected = float(halves[0] @ halves[1])
        scale = float(halves[0].norm() * halves[1].norm())
        assert conflict.angles.signal[task] == pytest.approx(expected, abs=1e-5 * scale)


def test_layer_groups_are_measured_apart():
    held, examples = model("llama", LORA), drawn(**COUNTS)
    conflict = compute_gradient(settled(held, Probe(WEIGHTS), by_layer=True), 3, examples).conflict
    assert set(conflict.layers) == {"block 0", "block 1"}
    for task in TASKS:
        squares = sum(part.norm[task] ** 2 for part in conflict.layers.values())
        assert math.sqrt(squares) == pytest.approx(conflict.angles.norm[task], rel=1e-5)


def test_an_absent_task_has_no_row():
    held, probe = model("llama", LORA), Probe(WEIGHTS)
    step = settled(held, probe)
    compute_gradient(step, 3, drawn(**COUNTS))
    held.network.zero_grad(set_to_none=True)
    few = drawn(a=2, c=2)
    compute_gradient(step, 4, few)  # the ledger still held the gradient of b
    assert set(probe.seen.tasks) == {"a", "c"}
    assert probe.seen.gramian.shape == (2, 2)
    ours = torch.cat([g.flatten() for g in gradients(held).values()])
    held.network.zero_grad(set_to_none=True)
    rows = {task: alone(held, few, task)[1] for task in ("a", "c")}
    assert_close(ours, WEIGHTS["a"] * rows["a"] + WEIGHTS["c"] * rows["c"])


def test_weights_from_losses_alone_need_no_gramian():
    held, probe = model("llama", LORA), Probe(WEIGHTS, "losses")
    got = compute_gradient(settled(held, probe, every=0), 3, drawn(**COUNTS))
    assert probe.seen.gramian is None
    assert dict(zip(probe.seen.tasks, probe.seen.losses.tolist(), strict=True)) == got.loss


def test_measuring_changes_nothing_but_rounding():
    held, examples = model("llama", LORA), drawn(**COUNTS)
    plain = compute_gradient(parts(held, TASKS), 3, examples)
    theirs = gradients(held)
    held.network.zero_grad(set_to_none=True)
    step = parts(held, TASKS, split=split(held))
    measured = compute_gradient(step, 3, examples)
    for name, ours in gradients(held).items():
        torch.testing.assert_close(ours, theirs[name], rtol=1e-4, atol=1e-7)
    assert measured.loss == pytest.approx(plain.loss, rel=1e-6)
    assert measured.weight == plain.weight
    assert plain.conflict is None
    assert measured.conflict is not None


def test_a_step_that_is_not_finite_asks_no_balancer():
    held, probe = model("llama", LORA), Probe(WEIGHTS)
    with torch.no_grad():
        next(p for _, p in held.trainable()).fill_(math.nan)
    got = compute_gradient(settled(held, probe), 3, drawn(**COUNTS))
    assert probe.seen is None
    assert all(math.isnan(weight) for weight in got.weight.values())
    assert got.conflict is None


def test_losses_now_are_those_of_the_same_examples():
    held, examples = model("llama", LORA), drawn(**COUNTS)
    got = compute_gradient(settled(held, Probe(WEIGHTS)), 3, examples)
    now = dict(zip(got.view.tasks, got.losses_now().tolist(), strict=True))
    assert now == pytest.approx(got.loss, rel=1e-6)
    with torch.no_grad():
        for _, parameter in held.trainable():
            parameter -= 0.01 * parameter.grad
    after = dict(zip(got.view.tasks, got.losses_now().tolist(), strict=True))
    assert after != pytest.approx(got.loss, rel=1e-4)


def test_forty_tasks_in_one_step():
    tasks = tuple(f"t{number}" for number in range(40))
    held, examples = model("llama", LORA), drawn(**dict.fromkeys(tasks, 2))
    probe = Probe({task: 0.1 * place for place, task in enumerate(tasks)})
    step = settled(held, probe, tasks=tasks, microbatch_tokens=256)
    conflict = compute_gradient(step, 3, examples).conflict
    ours = torch.cat([g.flatten() for g in gradients(held).values()])
    held.network.zero_grad(set_to_none=True)
    order = probe.seen.tasks
    assert set(order) == set(tasks)
    rows = torch.stack([alone(held, examples, task, tasks)[1] for task in order]).double()
    assert_close(probe.seen.gramian, rows @ rows.T)
    weights = torch.tensor([probe.given[task] for task in order], dtype=torch.float64)
    assert_close(ours.double(), weights @ rows)
    assert len(conflict.angles.cosine) == 40 * 39 / 2


def with_other_tokens(examples, task):
    """The same lengths everywhere; another text in the rows of one task."""
    return [
        (name, tuple(replace(row, tokens=row.tokens % 290 + 1) for row in rows))
        if name == task
        else (name, rows)
        for name, rows in examples
    ]


@pytest.mark.parametrize("adapter", [None, LORA], ids=["full", "lora"])
def test_a_tasks_gradient_does_not_see_the_tokens_of_others(adapter):
    held, examples, found = model("llama", adapter), drawn(**COUNTS), []
    for some in (examples, with_other_tokens(examples, "a")):
        step = settled(held, Probe(WEIGHTS))
        compute_gradient(step, 3, some)
        rows = step.split.ledger.matrix().view(len(TASKS), -1).clone()
        found.append(dict(zip(TASKS, rows, strict=True)))
    assert not torch.equal(found[0]["a"], found[1]["a"])
    assert torch.equal(found[0]["b"], found[1]["b"])
    assert torch.equal(found[0]["c"], found[1]["c"])


@pytest.mark.parametrize("normalise", ["tokens", "examples"])
def test_a_tasks_loss_knows_no_position_of_others(monkeypatch, normalise):
    held, seen, logps = model("llama", LORA), [], LanguageModel.logps

    def watched(self, *args, **keys):
        found, means = logps(self, *args, **keys)
        seen.append(found.detach().requires_grad_())
        return seen[-1], means

    monkeypatch.setattr(LanguageModel, "logps", watched)
    objectives = {task: Likelihood(normalise, 0.1 * place) for place, task in enumerate(TASKS)}
    step = settled(held, Probe(WEIGHTS, "losses"), every=0, objectives=objectives)
    passes = compute_gradient(step, 3, drawn(**COUNTS)).passes
    batch = passes.batch(0)
    assert {segment.task for segment in batch.segments} == set(TASKS)
    for segment in batch.segments:
        loss = passes.losses(batch).own[segment.task]
        (gradient,) = torch.autograd.grad(loss, seen[-1])
        own = torch.zeros(len(gradient), dtype=torch.bool)
        own[segment.first_position : segment.last_position] = True
        assert torch.equal(gradient != 0, own)


@pytest.mark.parametrize(
    ("adapter", "noise"),
    [(None, {"resid_pdrop": 0.3}), (LoraAdapter(rank=3, alpha=6.0, dropout=0.3), {})],
    ids=["full", "lora"],
)
def test_dropout_is_that_of_one_pass_for_all_tasks(adapter, noise):
    held, examples = model("gpt2", adapter, **noise), drawn(**COUNTS)
    held.network.train()
    for task in TASKS:
        only = {name: float(name == task) for name in TASKS}
        flat = []
        for step in (
            parts(held, TASKS, balancer=Probe(only, "nothing")),  # by autograd
            settled(held, Probe(only), every=0, microbatch_tokens=256),
        ):
            held.network.zero_grad(set_to_none=True)
            compute_gradient(step, 3, examples)
            flat.append(torch.cat([g.flatten() for g in gradients(held).values()]))
        assert_close(flat[1], flat[0])
    held.network.zero_grad(set_to_none=True)
    compute_gradient(parts(held, TASKS, balancer=Probe(only, "nothing"), seed=1), 3, examples)
    other = torch.cat([g.flatten() for g in gradients(held).values()])
    assert (other - flat[0]).norm() > 0.01 * flat[0].norm()


class TestVerify:
    def test_is_silent_where_the_sum_is_right(self):
        held = model("llama", LORA)
        verify_split(settled(held, Probe(WEIGHTS)), 0, drawn(**COUNTS))
        assert not gradients(held)

    def test_names_a_layer_that_is_split_wrongly(self, monkeypatch):
        whole = layers.Ledger.add_products

        def halved(self, parameter, spans, left, right):
            whole(self, parameter, spans, left / 2, right)

        held = model("llama", LORA)
        monkeypatch.setattr(layers.Ledger, "add_products", halved)
        with pytest.raises(ModelError, match=r"balance: the gradient of .*lora_[AB].* % off|off\)"):
            verify_split(settled(held, Probe(WEIGHTS)), 0, drawn(**COUNTS))
