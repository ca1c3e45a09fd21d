"""Attention for short rows is torch's attention, in value and gradient, where it steps in."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from madrigal.model import attention
from madrigal.model.attention import attend, use_for_short_rows
from madrigal.model.branches import Branches, joined
from tiny import network

SCALE = 0.3


class Layer(torch.nn.Module):
    is_causal = True
    num_key_value_groups = 2


def drawn(heads=4, groups=2, length=37, size=8):
    chance = torch.Generator().manual_seed(0)
    shapes = ((3, heads, length, size), *2 * ((3, heads // groups, length, size),))
    return [torch.randn(shape, generator=chance, requires_grad=True) for shape in shapes]


def value_and_gradients(call, parts):
    for part in parts:
        part.grad = None
    out = call(*parts)
    (out.float() * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
    return [out.detach().float(), *(part.grad.float() for part in parts)]


def ours(mask=None, length=37, **more):
    def call(query, key, value):
        with torch.autocast("cpu", torch.bfloat16):
            low = (part.bfloat16() for part in (query, key, value))
            return attend(Layer(), *low, mask, scaling=SCALE, **more)[0]

    return call


def plain(kind):
    def call(query, key, value):
        low = (part.to(kind) for part in (query, key, value))
        out = scaled_dot_product_attention(*low, is_causal=True, scale=SCALE, enable_gqa=True)
        return out.transpose(1, 2)

    return call


def errors(found, truth):
    return [float((f - t).detach().norm() / t.norm()) for f, t in zip(found, truth, strict=True)]


@pytest.mark.parametrize("groups", [1, 2])
def test_value_and_gradients_are_as_near_the_truth_as_torchs_own(groups):
    parts = drawn(groups=groups)
    truth = value_and_gradients(plain(torch.float32), parts)
    own = errors(value_and_gradients(plain(torch.bfloat16), parts), truth)
    for mine, theirs in zip(errors(value_and_gradients(ours(), parts), truth), own, strict=True):
        assert mine < 1.5 * theirs
        assert theirs < 0.01  # the comparison means something


def test_other_heads_for_values_than_for_keys():
    query, key, _ = drawn(groups=1)
    value = torch.randn(3, 4, 37, 5, requires_grad=True)
    parts = [query, key, value]
    truth = value_and_gradients(plain(torch.float32), parts)
    assert max(errors(value_and_gradients(ours(), parts), truth)) < 0.01


def steps_in(monkeypatch, call, length=37):
    """Whether `call` goes the short way."""
    seen = []
    short = attention._Plain.apply
    monkeypatch.setattr(attention._Plain, "apply", lambda *a: seen.append(1) or short(*a))
    call(*drawn(length=length))
    return bool(seen)


def test_it_steps_in_for_training_on_whole_rows(monkeypatch):
    assert steps_in(monkeypatch, ours())


PARTS, PLACES = (torch.tensor(3 * [held]) for held in joined(16, (9, 12)))
SHARED = Branches(PARTS, PLACES).seen()  # two answers behind one prompt, in each row


def masked(kind):
    def call(query, key, value):
        low = (part.to(kind) for part in (query, key, value))
        out = scaled_dot_product_attention(*low, SHARED, scale=SCALE, enable_gqa=True)
        return out.transpose(1, 2)

    return call


@pytest.mark.parametrize("groups", [1, 2])
def test_answers_that_share_a_prompt_are_as_near_the_truth_as_by_torchs_own(groups, monkeypatch):
    assert SHARED.shape == (3, 1, 37, 37)
    assert steps_in(monkeypatch, ours(SHARED))
    parts = drawn(groups=groups)
    truth = value_and_gradients(masked(torch.float32), parts)
    own = errors(value_and_gradients(masked(torch.bfloat16), parts), truth)
    found = errors(value_and_gradients(ours(SHARED), parts), truth)
    for mine, theirs in zip(found, own, strict=True):
        assert mine < 1.5 * theirs
        assert theirs < 0.01
    causal = errors(value_and_gradients(ours(), parts), truth)
    assert causal[0] > 0.05  # the mask says something


BLIND = SHARED.clone()
BLIND[1, 0, 5] = False


@pytest.mark.parametrize(
    "more",
    [
        {"mask": torch.zeros(3, 1, 37, 37)},
        {"mask": SHARED.expand(3, 4, 37, 37)},
        {"mask": BLIND},
        {"is_causal": False},
    ],
    ids=["added mask", "mask by head", "a token that sees nothing", "not causal"],
)
def test_anything_else_is_left_to_torch(monkeypatch, more):
    assert not steps_in(monkeypatch, ours(**more))


def test_without_gradient_long_or_not_in_bfloat16_it_is_left_to_torch(monkeypatch):
    def full(query, key, value):
        return attend(Layer(), query, key, value, None, scaling=SCALE)

    with torch.no_grad():
        assert not steps_in(monkeypatch, ours())
    assert not steps_in(monkeypatch, full)
    monkeypatch.setattr(attention, "LONGEST", 36)
    assert not steps_in(monkeypatch, ours())


def test_a_model_keeps_its_values_and_its_saved_configuration(tmp_path):
    causal = network("llama")
    tokens = torch.randint(1, 50, (2, 9), generator=torch.Generator().manual_seed(0))
    padded = torch.ones(2, 9, dtype=torch.long)
    padded[0, :3] = 0
    before = causal(input_ids=tokens).logits, causal(input_ids=tokens, attention_mask=padded).logits
    use_for_short_rows(causal)
    assert causal.config._attn_implementation == attention.NAME
    after = causal(input_ids=tokens).logits, causal(input_ids=tokens, attention_mask=padded).logits
    torch.testing.assert_close(before, after, rtol=0, atol=0)
    causal.save_pretrained(tmp_path)
    assert attention.NAME not in (tmp_path / "config.json").read_text()
