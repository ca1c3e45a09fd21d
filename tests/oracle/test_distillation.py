"""Distillation against KL written from full logits of two copies of a network."""

import copy

import numpy as np
import pytest
import torch

from madrigal.gradients import Ledger
from madrigal.gradients.gramian import HALVES
from madrigal.model import language_model
from madrigal.model.divergence import divergence_in_chunks
from madrigal.model.load import recompute
from madrigal.objectives import Likelihood
from madrigal.recipe.model import LoraAdapter, PrivatePart
from madrigal.retention import Distillation, Teacher
from madrigal.training.split import Split
from madrigal.training.step import compute_gradient
from tiny import LORA, VOCABULARY, drawn, gradients, model, parts, private_model, row, weights

ADAPTERS = pytest.mark.parametrize("adapter", [None, LORA], ids=["full", "lora"])
HEAD = LoraAdapter(rank=3, alpha=6.0, private=PrivatePart(rank=2, alpha=3.0, head=True))
STRENGTH = 0.7


def move(held, std=0.05, seed=9):
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _, parameter in held.trainable():
            parameter.add_(std * torch.randn(parameter.shape, generator=chance))


def taught(held, tasks="ab"):
    """Distillation to the model as it is now; the model then moves away."""
    told = Distillation(Teacher(held), STRENGTH, frozenset(tasks))
    move(held)
    return told


def naive(held, old, objectives, some, tasks="ab"):
    """The loss that distillation adds and its gradient; `old` is a whole copy of the network."""
    added, present = torch.zeros(()), dict.fromkeys(task for task, _ in some)
    for task in present:
        mine = [one for name, example in some if name == task for one in example]
        total, count = torch.zeros(()), 0.0
        for one in mine:
            tokens, at = torch.tensor(one.tokens)[None], np.flatnonzero(one.trained)
            with held.routed(task):
                new = held.network(input_ids=tokens).logits[0, at - 1].log_softmax(-1)
                with torch.no_grad():
                    p = old(input_ids=tokens).logits[0, at - 1].log_softmax(-1)
            kl = (p.exp() * (p - new)).sum(-1)
            by_tokens = objectives[task].normalise == "tokens"
            total = total + (kl.sum() if by_tokens else kl.mean())
            count += len(at) if by_tokens else 1
        if task in tasks:
            added = added + len(mine) / len(some) * STRENGTH * total / count
    named = dict(held.trainable())
    found = torch.autograd.grad(added, list(named.values()), allow_unused=True)
    given = zip(named, found, strict=True)
    return added.item(), {n: torch.zeros_like(named[n]) if g is None else g for n, g in given}


def difference(held, told, some, **changes):
    """What distillation adds to a step: its value, and its part of the gradient."""
    found = []
    for one in (told, None):
        held.network.zero_grad(set_to_none=True)
        got = compute_gradient(parts(held, distillation=one, terms=(), **changes), 3, some)
        found.append((got, gradients(held)))
    held.network.zero_grad(set_to_none=True)
    (mine, ours), (plain, theirs) = found
    assert mine.loss == plain.loss  # the tasks' own losses are told without it
    assert plain.terms == {}
    assert set(mine.retention_seconds) == {"distill"}
    return mine.terms["distill"], {name: ours[name] - theirs[name] for name in theirs}


def assert_same(ours, theirs, tolerance=1e-4):
    """Both as one vector: each part is a difference of larger ones."""
    flat = [torch.cat([g[name].flatten() for name in theirs]) for g in (ours, theirs)]
    assert float((flat[0] - flat[1]).norm()) < tolerance * float(flat[1].norm())


@ADAPTERS
@pytest.mark.parametrize("normalise", ["tokens", "examples"])
@pytest.mark.parametrize("limit", [1, 40, 4096])
def test_value_and_gradient(adapter, normalise, limit):
    held, some = model("llama", adapter), drawn(a=4, b=2)
    old, told = copy.deepcopy(held.network), taught(held)
    objectives = {"a": Likelihood(normalise), "b": Likelihood("tokens")}
    value, gradient = difference(held, told, some, objectives=objectives, microbatch_tokens=limit)
    expected, theirs = naive(held, old, objectives, some)
    assert value == pytest.approx(expected, rel=1e-4)
    assert expected > 0.01
    assert_same(gradient, theirs)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_only_the_tasks_that_are_asked(kind):
    held, some = model(kind), drawn(a=4, b=2)
    old, told = copy.deepcopy(held.network), taught(held, "b")
    objectives = dict.fromkeys("ab", Likelihood())
    value, gradient = difference(held, told, some)
    expected, theirs = naive(held, old, objectives, some, "b")
    assert value == pytest.approx(expected, rel=1e-4)
    assert_same(gradient, theirs)
    value, gradient = difference(held, told, drawn(a=3))
    assert value == 0
    assert not any(g.any() for g in gradient.values())


def test_a_private_head():
    held = private_model(HEAD, ("a", "b"), start=1)
    old = private_model(HEAD, ("a", "b"), start=1)
    some, told = drawn(a=4, b=3), taught(held)

    def former(input_ids):
        route = held.private.routing.route.present[0]
        with old.routed(route):
            return old.network(input_ids=input_ids)

    value, gradient = difference(held, told, some)
    expected, theirs = naive(held, former, dict.fromkeys("ab", Likelihood()), some)
    assert value == pytest.approx(expected, rel=1e-4)
    assert_same(gradient, theirs)


@ADAPTERS
def test_gradients_by_task_hold_their_part(adapter):
    held, some = model("llama", adapter), drawn(a=4, b=2)
    told = taught(held)
    plain = difference(held, told, some)
    ledger = Ledger(dict(held.trainable()), HALVES * 2)
    split = Split(held, ledger, {"a": 0, "b": 1}, 1, "raw", {})
    ours = difference(held, told, some, split=split)
    assert ours[0] == pytest.approx(plain[0], rel=1e-5)
    assert_same(ours[1], plain[1])


@ADAPTERS
def test_bfloat16_is_close(adapter):
    """The teacher's own weights, not those that autocast remembers of the model."""
    found = []
    for precision in (torch.float32, torch.bfloat16):
        held = model("llama", adapter, precision=precision)
        found.append(difference(held, taught(held), drawn(a=4, b=2)))
    (exact, theirs), (rough, ours) = found
    assert rough == pytest.approx(exact, rel=0.05)
    assert_same(ours, theirs, tolerance=0.2)


@ADAPTERS
def test_nothing_where_the_model_is_the_teacher(adapter):
    held, some = model("llama", adapter), drawn(a=4, b=2)
    told = Distillation(Teacher(held), 5.0, frozenset("ab"))
    value, gradient = difference(held, told, some)
    scale = max(float(g.abs().max()) for g in gradients_of(held, some).values())
    assert value == pytest.approx(0, abs=1e-6)
    assert max(float(g.abs().max()) for g in gradient.values()) < 1e-5 * scale
    move(held)
    value, gradient = difference(held, told, some)
    assert value > 0.01
    assert max(float(g.abs().max()) for g in gradient.values()) > 1e-3 * scale


def gradients_of(held, some):
    compute_gradient(parts(held), 3, some)
    return gradients(held)


def test_rows_without_a_trained_token_cost_nothing():
    held = model()
    some = [("a", (row(9, 0),)), ("b", (row(7, 2),))]
    old, told = copy.deepcopy(held.network), taught(held)
    value, _ = difference(held, told, some)
    expected, _ = naive(held, old, dict.fromkeys("ab", Likelihood()), some[1:])
    assert value == pytest.approx(expected / 2, rel=1e-4)


class TestChunks:
    def test_value_and_gradient_are_those_of_one(self, monkeypatch):
        held, some = model(), drawn(a=4, b=2)
        told = taught(held)
        whole = difference(held, told, some)
        monkeypatch.setattr(language_model, "LOGITS_PER_CHUNK", 2 * VOCABULARY)
        several = difference(held, told, some)
        assert several[0] == pytest.approx(whole[0], rel=1e-5)
        assert_same(several[1], whole[1])

    @pytest.mark.parametrize("chunk", [1, 3, 100])
    def test_every_position_is_asked_for_once_in_order(self, chunk):
        held, asked = model(), []
        states = torch.randn(7, 32, generator=torch.Generator().manual_seed(1))

        def reference(first, last):
            asked.append((first, last))
            return torch.full((last - first, VOCABULARY), -np.log(VOCABULARY))

        with torch.no_grad():
            found = divergence_in_chunks(held.head, states, reference, chunk)
            logits = held.network.lm_head(states)
        expected = -np.log(VOCABULARY) - logits.log_softmax(-1).mean(-1)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        assert asked == [(n, min(7, n + chunk)) for n in range(0, 7, chunk)]


class TestTeacher:
    """The exchange of storage is not seen by anything else."""

    @ADAPTERS
    def test_weights_versions_and_gradients_stay(self, adapter):
        held = model("llama", adapter)
        told = Teacher(held)
        move(held)
        named = dict(held.trainable())
        before, places = weights(held), {n: p.data_ptr() for n, p in named.items()}
        for parameter in named.values():
            parameter.grad = torch.ones_like(parameter)
        versions = {n: p._version for n, p in named.items()}
        held.network.train()
        with told.speaking():
            assert not held.network.training
            assert not torch.is_grad_enabled()
            assert any(not torch.equal(p, before[n]) for n, p in named.items())
        assert held.network.training
        for name, parameter in named.items():
            assert torch.equal(parameter, before[name])
            assert parameter.data_ptr() == places[name]
            assert parameter._version == versions[name]
            assert (parameter.grad == 1).all()

    def test_they_stay_where_a_pass_fails(self):
        held = model("llama", LORA)
        told = Teacher(held)
        move(held)
        before = weights(held)
        with pytest.raises(ZeroDivisionError), told.speaking():
            _ = 1 / 0
        assert all(torch.equal(p, before[name]) for name, p in held.trainable())
        assert torch.is_autocast_cache_enabled()

    @ADAPTERS
    def test_it_says_what_the_model_said(self, adapter):
        held = model("llama", adapter)
        tokens = torch.tensor(row(12, 3).tokens)[None]
        with torch.no_grad():
            states = held.states(tokens)
            logps = held.logits(states[0]).log_softmax(-1)
        told = Teacher(held)
        for seed in range(3):  # step after step
            move(held, seed=seed)
            torch.testing.assert_close(told.states(tokens), states, rtol=0, atol=0)
            torch.testing.assert_close(told.log_probabilities(states[0]), logps, rtol=0, atol=0)
        assert not torch.allclose(held.states(tokens), states, atol=1e-3)
        assert told.bytes == 4 * held.parameter_counts()[1]

    def test_without_dropout(self):
        held = model("gpt2", resid_pdrop=0.5)
        held.network.train()
        tokens = torch.tensor(row(12, 3).tokens)[None]
        told = Teacher(held)
        torch.testing.assert_close(told.states(tokens), told.states(tokens), rtol=0, atol=0)

    def test_tied_weights_stay_tied(self):
        held = model(tie_word_embeddings=True)
        old, told = copy.deepcopy(held.network), taught(held)
        assert [n for n, _ in held.trainable()].count("lm_head.weight") == 0
        value, gradient = difference(held, told, drawn(a=3))
        expected, theirs = naive(held, old, {"a": Likelihood()}, drawn(a=3))
        assert value == pytest.approx(expected, rel=1e-4)
        assert_same(gradient, theirs)
        assert held.network.lm_head.weight is held.network.model.embed_tokens.weight

    @ADAPTERS
    def test_gradient_checkpointing(self, adapter):
        """Layers and the head run again in the backward pass, with the model's own weights."""
        found = []
        for again in (False, True):
            held = model("llama", adapter)
            if again:
                recompute(held.causal, None)
            told = taught(held)
            held.network.train()
            found.append(difference(held, told, drawn(a=4, b=2)))
        assert found[1][0] == pytest.approx(found[0][0], rel=1e-5)
        assert_same(found[1][1], found[0][1])

    def test_the_optimiser_goes_on(self):
        """Steps of AdamW are the same with a teacher that speaks and has no say."""
        found = []
        for strength in (None, 0.0):
            held = model("llama", LORA)
            optimiser = torch.optim.AdamW([p for _, p in held.trainable()], lr=0.01)
            told = Distillation(Teacher(held), strength, frozenset("ab")) if strength == 0 else None
            for step in range(3):
                compute_gradient(parts(held, distillation=told), step, drawn(a=2, b=2))
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
            found.append(weights(held))
        for name, expected in found[0].items():
            assert torch.equal(found[1][name], expected)
