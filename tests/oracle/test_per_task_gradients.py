"""One backward pass that splits its gradients by task, against one backward pass a task."""

import warnings

import pytest
import torch
from peft import LoraConfig, get_peft_model

import tiny
from madrigal.errors import ModelError
from madrigal.gradients import Ledger, Span, Spans, per_task, refuse_uncovered, uncovered
from madrigal.gradients import ledger as ledger_module
from madrigal.model import language_model
from madrigal.training.split import layer_groups
from tiny import LORA, model

ROWS, LENGTH, TASKS = 6, 10, 3
OWNERS = ((0, 0, 2), (1, 2, 3), (2, 3, 6))  # task, its first row, its last (exclusive)
FIRST_ANSWER = 5


def _batch():
    torch.manual_seed(0)
    tokens = torch.randint(1, 300, (ROWS, LENGTH))
    place = [
        (task, row * LENGTH + at)
        for task, first, last in OWNERS
        for row in range(first, last)
        for at in range(FIRST_ANSWER, LENGTH - 1)
    ]
    owner, index = (torch.tensor(column) for column in zip(*place, strict=True))
    return tokens, owner, index


def _logps(held, tokens, index, spans=None, ledger=None):
    with held.autocast():
        if ledger is None:
            states = held.states(tokens).flatten(0, 1)[index]
            return held.logps(states, tokens.flatten()[index + 1])[0]
        rows = Spans(ROWS, tuple(Span(*owner) for owner in OWNERS))
        with ledger.following(rows):
            states = held.states(tokens).flatten(0, 1)[index]
        return held.logps(
            states,
            tokens.flatten()[index + 1],
            around=lambda first, last: ledger.following(spans.cut(first, last)),
        )[0]


def _one_by_one(held):
    tokens, owner, index = _batch()
    rows = []
    for task in range(TASKS):
        held.network.zero_grad()
        (-_logps(held, tokens, index)[owner == task].sum()).backward()
        rows.append(
            {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in held.trainable()}
        )
    held.network.zero_grad()
    return rows


def _pass(held, tokens, index, spans, ledger):
    rows = Spans(ROWS, tuple(Span(*owner) for owner in OWNERS))
    # Checkpointed layers run again in the backward pass, so the spans stay known there.
    with per_task(held.network, ledger), ledger.following(rows):
        (-_logps(held, tokens, index, spans, ledger).sum()).backward()


def _at_once(held):
    tokens, owner, index = _batch()
    counts = [int((owner == task).sum()) for task in range(TASKS)]
    ends = torch.tensor([0, *counts]).cumsum(0).tolist()
    spans = Spans(len(index), tuple(Span(k, ends[k], ends[k + 1]) for k in range(TASKS)))
    ledger = Ledger(dict(held.trainable()), TASKS)
    _pass(held, tokens, index, spans, ledger)
    assert all(p.grad is None for _, p in held.trainable())
    return ledger


def _assert_split(held, tolerance):
    expected, ledger = _one_by_one(held), _at_once(held)
    for task in range(TASKS):
        for name, found in ledger.gradients(task).items():
            wanted = expected[task][name].float()
            assert (found - wanted).norm() <= tolerance * wanted.norm() + 1e-9, (name, task)


# bfloat16 rounds a task's products where the whole pass rounds once: 8 bits of mantissa.
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}


@pytest.mark.parametrize("adapter", [None, LORA], ids=["full", "lora"])
@pytest.mark.parametrize("kind", ["llama", "gpt2", "gpt_neo"])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_equal_to_a_backward_pass_for_each_task(kind, adapter, precision):
    if kind == "gpt2" and adapter is not None:
        adapter = adapter.model_copy(update={"targets": ("c_attn", "c_proj", "c_fc")})
    held = model(kind, adapter, precision=precision)
    held.network.eval()
    _assert_split(held, TOLERANCE[precision])


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_large_products_are_made_in_the_number_format_of_the_layers(precision, monkeypatch):
    monkeypatch.setattr(ledger_module, "_SMALL", 0)
    held = model("llama", LORA, precision=precision)
    held.network.eval()
    _assert_split(held, TOLERANCE[precision])


def test_small_products_are_not_rounded_to_bfloat16():
    weight = torch.nn.Parameter(torch.zeros(3, 5))
    ledger = Ledger({"weight": weight}, 2)
    left, right = torch.randn(8, 3).bfloat16(), torch.randn(8, 5).bfloat16()
    spans = Spans(4, (Span(1, 0, 1), Span(0, 2, 4)))  # the second unit is nobody's
    for _ in range(2):
        ledger.add_products(weight, spans, left, right)
    first, second = (
        2 * left.T.float()[:, 4:] @ right.float()[4:],
        2 * left.T.float()[:, :2] @ right.float()[:2],
    )
    torch.testing.assert_close(ledger.gradients(0)["weight"], first)
    torch.testing.assert_close(ledger.gradients(1)["weight"], second)


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_a_weight_with_two_uses_gets_both(tied):
    held = model("llama", tie_word_embeddings=tied)
    assert ("lm_head.weight" in dict(held.trainable())) != tied
    _assert_split(held, 1e-5)


def test_biases_of_linear_layers():
    held = model("llama", attention_bias=True, mlp_bias=True)
    assert any(name.endswith("proj.bias") for name, _ in held.trainable())
    _assert_split(held, 1e-5)


def test_lora_on_embeddings():
    held = model("llama", LORA.model_copy(update={"targets": ("embed_tokens", "q_proj")}))
    assert any("lora_embedding_A" in name for name, _ in held.trainable())
    _assert_split(held, 1e-5)


@pytest.mark.parametrize("adapter", [None, LORA], ids=["full", "lora"])
def test_checkpointed_layers_are_split_in_the_backward_pass(adapter):
    held = model("llama", adapter)
    held.causal.activation_checkpointing_enable({"use_reentrant": False})
    held.causal.enable_input_require_grads()
    held.network.train()
    layer = held.causal.get_decoder().layers[0]
    runs = []
    layer.self_attn.register_forward_hook(lambda *_: runs.append(1))
    ledger = _at_once(held)
    assert len(runs) == 2  # once forward, once again in the backward pass
    expected = _one_by_one(held)
    for task in range(TASKS):
        for name, found in ledger.gradients(task).items():
            wanted = expected[task][name]
            assert (found - wanted).norm() <= 1e-5 * wanted.norm() + 1e-9, (name, task)


def test_a_head_that_runs_in_pieces_follows_the_tasks(monkeypatch):
    monkeypatch.setattr(language_model, "LOGITS_PER_CHUNK", 7 * 300)  # seven positions at a time
    _assert_split(model("llama", tie_word_embeddings=False), 1e-5)


def test_gramian_and_weighted_gradient_follow_from_the_rows():
    held = model("llama")
    expected, ledger = _one_by_one(held), _at_once(held)
    rows = torch.stack([torch.cat([g.flatten() for g in row.values()]) for row in expected])
    torch.testing.assert_close(ledger.gramian().float(), rows @ rows.T, rtol=1e-4, atol=1e-6)
    metric = torch.rand(rows.shape[1])
    scaled = ledger.gramian(metric=metric).float()
    torch.testing.assert_close(scaled, (rows * metric) @ rows.T, rtol=1e-4, atol=1e-6)
    weights = torch.tensor([0.5, 0.0, 2.0])
    ledger.write_gradient(weights)
    found = torch.cat([p.grad.flatten() for _, p in held.trainable()])
    torch.testing.assert_close(found, weights @ rows, rtol=1e-4, atol=1e-6)


def test_gramians_of_groups_add_up_to_the_whole():
    held = model("llama")
    ledger = _at_once(held)
    groups = layer_groups(ledger.parameters)
    assert set(groups) == {"block 0", "block 1", "other"}
    parts = sum(ledger.gramian(names) for names in groups.values())
    torch.testing.assert_close(parts, ledger.gramian(), rtol=1e-5, atol=1e-9)


def test_passes_add_up_and_clear_empties():
    held = model("llama", LORA)
    ledger = _at_once(held)
    once = ledger.gramian()
    tokens, owner, index = _batch()
    assert torch.argsort(owner, stable=True).equal(torch.arange(len(owner)))
    counts = torch.bincount(owner).tolist()
    ends = torch.tensor([0, *counts]).cumsum(0).tolist()
    spans = Spans(len(index), tuple(Span(k, ends[k], ends[k + 1]) for k in range(TASKS)))
    _pass(held, tokens, index, spans, ledger)
    torch.testing.assert_close(ledger.gramian(), 4 * once, rtol=1e-5, atol=0)
    ledger.clear()
    assert not ledger.gramian().any()


def test_what_is_added_to_the_matrix_from_outside_stays():
    """As by a sum over processes, where this one had no row of some task."""
    ledger = Ledger(dict(model("llama", LORA).trainable()), 2)
    ledger.matrix().add_(1.0)
    assert ledger.matrix().eq(1.0).all()


def test_layers_are_as_before_when_the_passes_are_over():
    held = model("llama", LORA)
    tokens, _, index = _batch()
    before = _logps(held, tokens, index)
    _at_once(held)
    assert _logps(held, tokens, index).equal(before)
    assert not any("forward" in vars(module) for module in held.network.modules())


class _Odd(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(3))


def test_a_parameter_that_cannot_be_split_is_named():
    network = torch.nn.Sequential(torch.nn.Linear(3, 3), _Odd())
    parameters = dict(network.named_parameters())
    assert uncovered(network, parameters) == ["1.scale"]
    with pytest.raises(ModelError) as refused:
        refuse_uncovered(network, parameters)
    assert str(refused.value) == (
        "balance: the gradient of 1.scale cannot be split by task; "
        "train other layers, or choose a balancer that needs no per-task gradients"
    )


def test_dora_is_refused_by_name():
    config = LoraConfig(r=2, target_modules=["q_proj"], use_dora=True, task_type="CAUSAL_LM")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`")
        network = get_peft_model(tiny.network("llama"), config)
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    with pytest.raises(ModelError, match=r"lora_magnitude_vector.* cannot be split by task"):
        refuse_uncovered(network, trained)
