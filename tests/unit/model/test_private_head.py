"""Private updates of the output head: each position meets the part of its row's task."""

import copy
import warnings

import pytest
import torch
from peft import LoraConfig, get_peft_model

from madrigal.errors import ModelError
from madrigal.model import language_model
from madrigal.model.adapter import add_adapter, add_private
from madrigal.model.language_model import LanguageModel
from madrigal.recipe.model import LoraAdapter, PrivatePart
from tiny import CONTEXT, VOCABULARY, network, tokenizer

TASKS = ("mood", "echo", "calm")
ONLY = LoraAdapter(layers="none", private=PrivatePart(rank=2, alpha=3.0, layers="none", head=True))
BOTH = LoraAdapter(rank=3, alpha=6.0, private=PrivatePart(rank=2, alpha=3.0, head=True))
GROUP = LoraAdapter(
    rank=3, private=PrivatePart(rank=2, head=True, groups={"one": ("mood", "calm")})
)
ADAPTERS = pytest.mark.parametrize("adapter", [ONLY, BOTH, GROUP], ids=["only", "both", "group"])
TIED = {"tie_word_embeddings": True}
MIXED = ["echo", "other", "mood", "mood", "calm", "echo"]
COUNTS = [3, 1, 0, 4, 2, 5]


def built(adapter, tasks=TASKS, kind="llama", start=1, **changes):
    """A model with private parts, everything in it far from zero."""
    held = add_adapter(network(kind, **changes), adapter, 0)
    parts = add_private(held, adapter, tasks, 0)
    torch.manual_seed(start)
    for parameter in held.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    return LanguageModel(held, tokenizer(), torch.device("cpu"), CONTEXT, kind, private=parts)


def given(counts=COUNTS, width=32):
    chance = torch.Generator().manual_seed(3)
    states = torch.randn(sum(counts), width, generator=chance)
    return states, torch.randint(1, VOCABULARY, (sum(counts),), generator=chance)


def grads(held):
    found = {n: p.grad.clone() for n, p in held.trainable() if p.grad is not None}
    held.network.zero_grad(set_to_none=True)
    return found


@ADAPTERS
@pytest.mark.parametrize("chunk", [1, 4, 1000])
@pytest.mark.parametrize("changes", [{}, TIED], ids=["untied", "tied"])
def test_each_position_is_as_with_its_task_alone(monkeypatch, adapter, chunk, changes):
    monkeypatch.setattr(language_model, "LOGITS_PER_CHUNK", chunk * VOCABULARY)
    held = built(adapter, **changes)
    states, targets = given()
    with held.routed(MIXED):
        mixed, means = held.logps(states, targets, True, counts=COUNTS)
    (mixed.sum() + means.sum()).backward()
    together = grads(held)
    one, two = [], []
    for task, part, wanted in zip(MIXED, states.split(COUNTS), targets.split(COUNTS), strict=True):
        with held.routed(task):
            logps, mean = held.logps(part, wanted, True)
        one.append(logps)
        two.append(mean)
    torch.testing.assert_close(mixed, torch.cat(one), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(means, torch.cat(two), rtol=1e-5, atol=1e-5)
    (torch.cat(one).sum() + torch.cat(two).sum()).backward()
    apart = grads(held)
    assert together.keys() == apart.keys()
    assert all("lm_head.private" in name for name in together)
    for name, gradient in together.items():
        assert float((gradient - apart[name]).norm()) < 1e-5 * float(gradient.norm()), name


@pytest.mark.parametrize("changes", [{}, TIED], ids=["untied", "tied"])
def test_one_tasks_head_is_pefts(changes):
    """Logits and gradients of peft's own LoRA at the head, over the same base."""
    held = built(ONLY, ("mood",), **changes)
    config = LoraConfig(r=2, lora_alpha=3, target_modules=["lm_head"], task_type="CAUSAL_LM")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`")  # peft's own
        warnings.filterwarnings("ignore", message=".*tie_word_embeddings")  # what is tested here
        theirs = get_peft_model(network(**changes), config)
    head = theirs.get_base_model().lm_head
    first, second = held.private.layers["lm_head"].pair("mood")
    with torch.no_grad():
        head.lora_A["default"].weight.copy_(first)
        head.lora_B["default"].weight.copy_(second)
    ids = torch.randint(1, VOCABULARY, (3, 9), generator=torch.Generator().manual_seed(5))
    with held.routed("mood"):
        ours = held.network(input_ids=ids).logits
    expected = theirs(input_ids=ids).logits
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)
    with held.routed("other"):
        assert not torch.allclose(held.network(input_ids=ids).logits, ours, atol=1e-3)
    for logits in (ours, expected):
        logits.square().mean().backward()
    torch.testing.assert_close(first.grad, head.lora_A["default"].weight.grad)
    torch.testing.assert_close(second.grad, head.lora_B["default"].weight.grad)


def test_rows_of_a_whole_forward_are_routed_too():
    held = built(BOTH)
    ids = torch.randint(1, VOCABULARY, (6, 9), generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        with held.routed(MIXED):
            mixed = held.network(input_ids=ids).logits
        for row, task in enumerate(MIXED):
            with held.routed(task):
                alone = held.network(input_ids=ids[row : row + 1]).logits[0]
            torch.testing.assert_close(mixed[row], alone, rtol=1e-5, atol=1e-5)


def test_a_tied_table_is_not_touched():
    held = built(ONLY, **TIED)
    causal = held.causal
    assert causal.lm_head.weight is causal.model.embed_tokens.weight
    before = copy.deepcopy(causal.model.embed_tokens.weight)
    states, targets = given()
    with held.routed(MIXED):
        held.logps(states, targets, counts=COUNTS)[0].sum().backward()
    assert causal.lm_head.weight.grad is None
    assert torch.equal(causal.model.embed_tokens.weight, before)
    assert {n.rsplit(".", 1)[0] for n, _ in held.trainable()} == {"lm_head.private"}


def test_a_shared_adapter_of_the_head_stands_beside_it():
    adapter = LoraAdapter(
        rank=3, targets=("q_proj", "lm_head"), private=PrivatePart(rank=2, head=True)
    )
    held = built(adapter)
    assert set(held.private.layers) == {
        "lm_head", "model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj"
    }  # fmt: skip
    states, _ = given()
    with torch.no_grad(), held.routed("mood"):
        own = held.logits(states)
        a, b = held.private.layers["lm_head"].pair("mood")
        update = states @ a.T @ b.T * 2.0
    with torch.no_grad(), held.routed("other"):
        torch.testing.assert_close(own, held.logits(states) + update, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["nothing", "odd"])
def test_a_head_that_cannot_be_adapted_is_refused(kind):
    plain = network()
    if kind == "nothing":
        plain.get_output_embeddings = lambda: None
    else:
        plain.lm_head = torch.nn.Bilinear(2, 2, 3)
    said = "the model has none" if kind == "nothing" else "the model has a Bilinear"
    with pytest.raises(ModelError, match=f"private.head: only a linear output head .*{said}; wri"):
        add_private(plain, ONLY, TASKS, 0)
