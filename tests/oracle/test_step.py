"""One step's losses and gradient against plain autograd, example by example, without padding."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from madrigal.balancing import Equal
from madrigal.model import language_model
from madrigal.objectives import Likelihood
from madrigal.retention import Pull
from madrigal.training.step import compute_gradient
from tiny import LORA, drawn, gradients, model, parts, weights

KINDS = ("llama", "gpt2", "gpt_neo")
ADAPTERS = pytest.mark.parametrize("adapter", [None, LORA], ids=["full", "lora"])


def sum_and_count(held, objective, rows):
    """Numerator and denominator of one task's loss, from the network's own full logits."""
    total, count = torch.zeros(()), 0.0
    for row in rows:
        tokens = torch.tensor(row.tokens)
        logits = held.network(input_ids=tokens[None]).logits[0].float()
        at = np.flatnonzero(row.trained)
        cost = cross_entropy(
            logits[at - 1],
            tokens[at],
            reduction="sum",
            label_smoothing=objective.label_smoothing,
        )
        by_tokens = objective.normalise == "tokens"
        total = total + (cost if by_tokens else cost / len(at))
        count += len(at) if by_tokens else 1
    return total, count


def naive(held, objectives, drawn, task_weights, equal, pulls, start):
    """Losses per task, and the gradient of the weighted sum, written as the formula is."""
    tasks = list(dict.fromkeys(task for task, _ in drawn))
    total, losses = torch.zeros(()), {}
    for task in tasks:
        mine = [row for name, example in drawn if name == task for row in example]
        summed, count = sum_and_count(held, objectives[task], mine)
        losses[task] = summed / count
        share = 1 / len(tasks) if equal else len(mine) / len(drawn)
        weight = task_weights[task] * share
        away = sum(((p - start[name]) ** 2).sum() for name, p in held.trainable())
        total = total + weight * (losses[task] + pulls.get(task, 0.0) / 2 * away)
    named = list(held.trainable())
    found = torch.autograd.grad(total, [p for _, p in named])
    return losses, {name: g for (name, _), g in zip(named, found, strict=True)}


def assert_same(held, settled, examples, equal=False, pulls=None, start=None, tolerance=1e-5):
    got = compute_gradient(settled, 3, examples)
    ours = gradients(held)
    losses, theirs = naive(
        held,
        settled.objectives,
        examples,
        settled.task_weights,
        equal,
        pulls or {},
        start or weights(held),
    )
    for task, loss in losses.items():
        assert got.loss[task] == pytest.approx(loss.item(), rel=tolerance, abs=tolerance)
    assert set(ours) == set(theirs)
    largest = max(float(g.abs().max()) for g in theirs.values())
    for name, gradient in theirs.items():
        torch.testing.assert_close(
            ours[name], gradient, rtol=tolerance, atol=tolerance * largest, msg=name
        )
    return got


@ADAPTERS
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("normalise", ["tokens", "examples"])
def test_losses_and_gradient(kind, adapter, normalise):
    held = model(kind, adapter)
    objectives = {"a": Likelihood(normalise), "b": Likelihood(normalise, 0.2)}
    settled = parts(
        held,
        objectives=objectives,
        task_weights={"a": 1.0, "b": 2.5},
        microbatch_tokens=64,
    )
    got = assert_same(held, settled, drawn(a=5, b=3))
    assert got.weight == pytest.approx({"a": 5 / 8, "b": 2.5 * 3 / 8})
    assert got.rows == {"a": 5, "b": 3}


@pytest.mark.parametrize("adapter", [None, LORA], ids=["full", "lora"])
def test_equal_weights_and_pull(adapter):
    held = model("llama", adapter)
    pulls = {"a": 0.3, "b": 0.0}
    pull = Pull([p for _, p in held.trainable()], pulls)
    start = weights(held)
    with torch.no_grad():
        for _, parameter in held.trainable():
            parameter.add_(0.05 * torch.randn_like(parameter))
    settled = parts(held, balancer=Equal(), terms=(pull,))
    got = assert_same(held, settled, drawn(a=4, b=2), equal=True, pulls=pulls, start=start)
    away = sum(((p - start[n]) ** 2).sum().item() for n, p in held.trainable())
    assert got.terms["pull_to_start"] == pytest.approx(0.5 * 0.3 / 2 * away, rel=1e-4)


def test_tied_weights_are_trained_once():
    held = model("llama", tie_word_embeddings=True)
    names = [name for name, _ in held.trainable()]
    assert not any("lm_head" in name for name in names)
    embedding, head = held.causal.get_input_embeddings(), held.causal.get_output_embeddings()
    assert embedding.weight is head.weight
    assert_same(held, parts(held), drawn(a=4, b=4))


def test_a_step_of_one_task_only():
    held = model()
    assert_same(held, parts(held), drawn(a=6))


def variants(held, **changes):
    settled = parts(held, **changes)
    held.network.zero_grad(set_to_none=True)
    got = compute_gradient(settled, 0, drawn(a=5, b=3))
    return got, gradients(held)


@ADAPTERS
def test_the_layout_does_not_change_the_step(adapter):
    """One microbatch of 8, 8 of 1, and what lies between."""
    held = model("llama", adapter)
    many, theirs = variants(held, microbatch_tokens=1)
    assert many.padded_tokens == sum(many.tokens.values())
    for limit in (40, 100, 1 << 20):
        one, ours = variants(held, microbatch_tokens=limit)
        assert one.loss == pytest.approx(many.loss, rel=1e-5)
        assert one.tokens == many.tokens
        for name, gradient in theirs.items():
            torch.testing.assert_close(ours[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_padding_is_never_seen():
    held = model()
    _, theirs = variants(held, microbatch_tokens=1 << 20, pad=0)
    _, ours = variants(held, microbatch_tokens=1 << 20, pad=123)
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-5, atol=1e-7, msg=name)


def test_gradient_checkpointing_changes_nothing():
    held = model("llama", LORA)
    held.network.train()
    _, theirs = variants(held)
    held.causal.activation_checkpointing_enable()
    held.causal.enable_input_require_grads()
    calls = []
    layer = held.causal.get_decoder().layers[0]
    layer.mlp.register_forward_pre_hook(lambda *_: calls.append(1))
    _, ours = variants(held)
    assert len(calls) > 1, "nothing was computed again"
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-5, atol=1e-7, msg=name)


def test_several_chunks_of_the_head_are_as_one(monkeypatch):
    held = model()
    one, theirs = variants(held, objectives={"a": Likelihood("tokens", 0.1), "b": Likelihood()})
    monkeypatch.setattr(language_model, "LOGITS_PER_CHUNK", 2 * held.causal.config.vocab_size)
    two, ours = variants(held, objectives={"a": Likelihood("tokens", 0.1), "b": Likelihood()})
    assert two.loss == pytest.approx(one.loss, rel=1e-5)
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-5, atol=1e-7, msg=name)


@ADAPTERS
def test_bfloat16_is_close(adapter):
    exact, theirs = variants(model("llama", adapter))
    held = model("llama", adapter, precision=torch.bfloat16)
    rough, ours = variants(held)
    assert rough.loss == pytest.approx(exact.loss, rel=0.02)
    assert rough.loss != exact.loss
    assert all(p.dtype == torch.float32 for _, p in held.trainable())
    flat = [torch.cat([g[name].reshape(-1) for name in theirs]) for g in (ours, theirs)]
    assert torch.cosine_similarity(*flat, dim=0) > 0.99
    assert math.isclose(float(flat[0].norm()), float(flat[1].norm()), rel_tol=0.05)


def test_dropout_follows_seed_stage_and_step():
    held = model("gpt2", resid_pdrop=0.3)
    held.network.train()
    first, _ = variants(held)
    again, _ = variants(held)
    assert first.loss == again.loss
    assert variants(held, seed=1)[0].loss != first.loss
    assert variants(held, stage="other")[0].loss != first.loss
    assert compute_gradient(parts(held), 1, drawn(a=5, b=3)).loss != first.loss
