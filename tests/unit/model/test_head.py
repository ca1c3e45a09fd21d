"""The head alone is the causal model's own head."""

import pytest
import torch
import transformers

from madrigal.model.head import Head, logps_in_chunks
from tiny import CONTEXT, LORA, VOCABULARY, WIDE, model, network

# Architectures by what they do behind the decoder: scale, cap, project, another name, a bias.
SHAPES = {
    "llama": {},
    "gpt2": {},
    "gpt_neo": {},
    "gemma2": WIDE | {"head_dim": 8, "final_logit_softcapping": 0.5},
    "gemma3_text": WIDE | {"head_dim": 8},
    "granite": WIDE | {"logits_scaling": 7.0},
    "cohere": WIDE | {"logit_scale": 0.3},
    "opt": {
        "hidden_size": 32, "ffn_dim": 48, "num_hidden_layers": 1, "num_attention_heads": 4,
        "max_position_embeddings": CONTEXT, "word_embed_proj_dim": 16, "dropout": 0.0,
    },
    "qwen3": WIDE | {"head_dim": 8},
    "phi": WIDE,  # a head with a bias
    "gpt_neox": {k: v for k, v in WIDE.items() if k != "num_key_value_heads"},
    "bloom": {"hidden_size": 32, "n_layer": 1, "n_head": 4},
    "mixtral": WIDE | {"num_local_experts": 2, "output_router_logits": False},
    "falcon": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4},
}  # fmt: skip


def held_by(kind):
    return network(kind, **SHAPES[kind])


@pytest.mark.parametrize("kind", SHAPES)
def test_head_of_the_decoders_states_is_the_whole_model(kind):
    causal = held_by(kind)
    with torch.no_grad():  # biases start at zero, which would hide that one is left out
        for parameter in causal.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    tokens = torch.randint(1, VOCABULARY, (2, 11), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = causal(input_ids=tokens, use_cache=False).logits
        states = causal.get_decoder()(input_ids=tokens, use_cache=False).last_hidden_state
        ours = Head(causal, causal.get_decoder())(states.reshape(-1, states.shape[-1]))
    torch.testing.assert_close(ours.view_as(whole), whole, rtol=1e-6, atol=1e-6)
    assert whole.std() > 1e-3


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gpt_neo"])
def test_head_under_an_adapter(kind):
    held = model(kind, LORA)
    tokens = torch.randint(1, VOCABULARY, (2, 9), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = held.network(input_ids=tokens, use_cache=False).logits
        ours = held.logits(held.states(tokens).reshape(-1, 32))
    torch.testing.assert_close(ours.view_as(whole), whole, rtol=1e-6, atol=1e-6)


def test_an_adapter_on_the_head_itself_is_seen():
    held = model("llama", LORA.model_copy(update={"targets": ("lm_head",)}))
    states = torch.randn(4, 32)
    plain = torch.nn.functional.linear(states, held.causal.lm_head.base_layer.weight)
    assert not torch.allclose(held.logits(states), plain)


def test_the_model_itself_is_left_as_it_was():
    causal = held_by("llama")
    before = dict(causal.named_modules())
    head = Head(causal, causal.get_decoder())
    head(torch.randn(3, 32)).sum().backward()
    assert dict(causal.named_modules()) == before
    assert isinstance(causal.model, transformers.LlamaModel)
    assert causal.lm_head.weight.grad is not None, "parameters are shared, not copied"


@pytest.mark.parametrize("with_mean", [False, True])
def test_chunks_are_as_one_with_their_gradients(with_mean):
    causal = held_by("gemma2")
    head = Head(causal, causal.get_decoder())
    states = torch.randn(13, 32, generator=torch.Generator().manual_seed(0))
    targets = torch.randint(0, VOCABULARY, (13,), generator=torch.Generator().manual_seed(1))
    found = []
    for chunk in (100, 13, 5, 1):
        given = states.clone().requires_grad_()
        causal.zero_grad(set_to_none=True)
        logps, means = logps_in_chunks(head, given, targets, with_mean, chunk)
        assert (means is not None) == with_mean
        total = (logps * torch.arange(13)).sum() + (means.sum() if with_mean else 0)
        total.backward()
        found.append([logps.detach(), given.grad, causal.lm_head.weight.grad.clone()])
    with torch.no_grad():
        table = head(states).log_softmax(-1)
    torch.testing.assert_close(found[0][0], table[torch.arange(13), targets])
    if with_mean:
        torch.testing.assert_close(means.detach(), table.mean(-1))
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-5)


def test_chunks_hold_one_block_of_logits_for_the_backward_pass():
    """Several chunks keep no logits: what autograd saves grows with states, not with V."""
    causal = held_by("llama")
    head = Head(causal, causal.get_decoder())
    states, targets = torch.randn(40, 32, requires_grad=True), torch.zeros(40, dtype=torch.long)
    sizes = []
    for chunk in (40, 4):
        saved = []

        def keep(tensor, saved=saved):
            saved.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            logps_in_chunks(head, states, targets, False, chunk)
        sizes.append(max(saved))
    assert sizes[0] >= 40 * VOCABULARY
    assert sizes[1] < 40 * VOCABULARY
