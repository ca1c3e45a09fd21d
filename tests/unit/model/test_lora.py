"""The lean LoRA layer computes what peft's does, and is peft's in its files."""

from contextlib import contextmanager

import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.tuners import lora

from madrigal.model.lora import LeanLinear, joined, lighten
from tiny import network

# peft sees by itself that GPT-2 stores its weights transposed, and uses an old name.
pytestmark = [
    pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to False"),
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`"),
]
KINDS = pytest.mark.parametrize("kind", ["llama", "gpt2"])


def adapted(kind, **more):
    torch.manual_seed(0)
    causal = network(kind)
    held = get_peft_model(
        causal, LoraConfig(r=3, lora_alpha=5, target_modules="all-linear", **more)
    )
    for name, parameter in held.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return held.eval()


def logits_and_gradients(held, kind=None):
    tokens = torch.arange(1, 15).view(2, 7)
    held.zero_grad()
    with torch.autocast("cpu", kind or torch.bfloat16, enabled=kind is not None):
        logits = held(input_ids=tokens).logits.float()
    logits.square().mean().backward()
    return {"logits": logits.detach()} | {
        n: p.grad for n, p in held.named_parameters() if p.requires_grad
    }


@KINDS
@pytest.mark.parametrize("more", [{}, {"use_rslora": True}, {"lora_dropout": 0.3}], ids=str)
def test_values_and_gradients_are_pefts(kind, more):
    held = adapted(kind, **more)
    theirs = logits_and_gradients(held)
    lighten(held)
    assert any(type(module) is LeanLinear for module in held.modules())
    ours = logits_and_gradients(held)
    assert float(ours["logits"].std()) > 1e-3
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=2e-6)


def test_dropout_falls_on_the_same_numbers():
    held = adapted("llama", lora_dropout=0.3).train()
    torch.manual_seed(3)
    theirs = logits_and_gradients(held)
    lighten(held)
    torch.manual_seed(3)
    torch.testing.assert_close(logits_and_gradients(held), theirs, rtol=1e-4, atol=2e-6)


def test_in_bfloat16_it_is_as_near_the_truth_as_pefts():
    held = adapted("llama")
    truth = logits_and_gradients(held)
    theirs = logits_and_gradients(held, torch.bfloat16)
    lighten(held)
    ours = logits_and_gradients(held, torch.bfloat16)

    def error(found):
        return sum(float((found[n] - truth[n]).norm() / truth[n].norm()) for n in truth)

    assert error(ours) < 1.3 * error(theirs)


def test_switched_off_and_merged_as_pefts():
    held = adapted("llama")
    tokens = torch.arange(1, 8)[None]
    with torch.no_grad(), held.disable_adapter():
        base = held(input_ids=tokens).logits
    whole = held(input_ids=tokens).logits
    lighten(held)
    with torch.no_grad(), held.disable_adapter():
        torch.testing.assert_close(held(input_ids=tokens).logits, base, rtol=0, atol=0)
    assert not torch.allclose(base, whole)
    merged = held.merge_and_unload()
    torch.testing.assert_close(merged(input_ids=tokens).logits, whole, rtol=1e-4, atol=1e-6)


def test_two_adapters_at_once_are_left_to_peft():
    held = adapted("llama")
    held.add_adapter(
        "second", LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
    )
    held.base_model.set_adapter(["default", "second"])
    tokens = torch.arange(1, 8)[None]
    theirs = held(input_ids=tokens).logits
    lighten(held)
    torch.testing.assert_close(held(input_ids=tokens).logits, theirs, rtol=0, atol=0)


def test_files_are_pefts(tmp_path):
    held = adapted("llama")
    names = {n for n, _ in held.named_parameters()}
    lighten(held)
    assert {n for n, _ in held.named_parameters()} == names
    assert all(isinstance(m, lora.Linear) for m in held.modules() if hasattr(m, "lora_A"))
    held.save_pretrained(tmp_path)
    assert (tmp_path / "adapter_model.safetensors").exists()


def test_joined_layers_say_the_same_and_leave_nothing_behind():
    held = adapted("llama")
    lighten(held)
    tokens = torch.arange(1, 15).view(2, 7)
    before = held.state_dict()
    with torch.no_grad():
        plain = held(input_ids=tokens).logits
        with joined(held), counted(held) as small:
            whole = held(input_ids=tokens).logits
            assert not small  # no product with A or B was made
            with held.disable_adapter():
                base = held(input_ids=tokens).logits
        with counted(held) as small:
            assert torch.equal(held(input_ids=tokens).logits, plain)
            assert small
    assert float((plain - base).abs().max()) > 1e-3
    torch.testing.assert_close(whole, plain, rtol=1e-4, atol=1e-6)
    assert held.state_dict().keys() == before.keys()


def test_what_is_too_large_is_not_joined(monkeypatch):
    held = adapted("llama")
    lighten(held)
    monkeypatch.setattr("madrigal.model.lora.MOST", 100)
    with torch.no_grad(), joined(held), counted(held) as small:
        held(input_ids=torch.arange(1, 15).view(2, 7))
    assert small


@contextmanager
def counted(held):
    """The names of LoRA's own products that are made inside."""
    made, hooks = [], []
    for name, module in held.named_modules():
        if ".lora_A." in name:
            hooks.append(module.register_forward_hook(lambda *_, name=name: made.append(name)))
    yield made
    for hook in hooks:
        hook.remove()
