"""Answers that share a prompt in one row, against the same answers in rows of their own."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from madrigal.gradients import Ledger
from madrigal.gradients.gramian import HALVES
from madrigal.model.branches import why_not
from madrigal.tasks.encoded import Encoded
from madrigal.training.fisher import fisher
from madrigal.training.placed import placed_rows
from madrigal.training.split import Split
from madrigal.training.step import compute_gradient
from tiny import CONTEXT, LORA, VOCABULARY, WIDE, gradients, model, parts

BRANCHING = {
    "llama": {}, "gpt2": {}, "qwen2": WIDE, "qwen3": WIDE | {"head_dim": 8}, "phi3": WIDE,
    "granite": WIDE | {"logits_scaling": 3.0}, "cohere": WIDE | {"logit_scale": 0.3}, "olmo2": WIDE,
    "gpt_neox": {k: v for k, v in WIDE.items() if k != "num_key_value_heads"},
}  # fmt: skip
WINDOWED = {
    "mistral": WIDE | {"sliding_window": 8},
    "gemma2": WIDE | {"head_dim": 8, "sliding_window": 8},
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
    "gpt_neo": {},
}


def example(chance, prompt, answers):
    """Rows of one prompt and answers of so many tokens."""
    begin = chance.integers(4, VOCABULARY, prompt)
    rows = []
    for length in answers:
        tokens = np.concatenate([begin, chance.integers(4, VOCABULARY, length)])
        rows.append(Encoded(tokens, np.arange(len(tokens)) >= prompt))
    return tuple(rows)


def mixed(seed=0):
    """Pairs, a ranking, and plain rows, of two tasks."""
    chance = np.random.default_rng(seed)
    shapes = {"a": [(17, (4, 7)), (10, (5, 2, 6)), (9, (1, 1))], "b": [(12, (5,)), (3, (2, 4))]}
    return [(task, example(chance, *shape)) for task, some in shapes.items() for shape in some]


def both(held, examples, **changes):
    found = []
    for share in (False, True):
        held.network.zero_grad(set_to_none=True)
        step = compute_gradient(parts(held, share_prompts=share, **changes), 3, examples)
        found.append((step, gradients(held)))
    return found


@pytest.mark.parametrize("limit", [1 << 20, 40], ids=["one pass", "many passes"])
@pytest.mark.parametrize("adapter", [None, LORA], ids=["full", "lora"])
@pytest.mark.parametrize("kind", BRANCHING)
def test_losses_and_gradients_are_those_of_rows_of_their_own(kind, adapter, limit):
    held = model(kind, adapter, **BRANCHING[kind])
    assert why_not(held.network, held.causal) == ""
    (apart, theirs), (shared, ours) = both(held, mixed(), microbatch_tokens=limit)
    assert shared.padded_tokens < apart.padded_tokens
    assert sum(shared.tokens.values()) < sum(apart.tokens.values())
    assert shared.loss == pytest.approx(apart.loss, rel=1e-5)
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_eager_attention_too():
    held = model("llama")
    held.causal.set_attn_implementation("eager")
    assert why_not(held.network, held.causal) == ""
    (apart, theirs), (shared, ours) = both(held, mixed())
    assert shared.loss == pytest.approx(apart.loss, rel=1e-5)
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("kind", WINDOWED)
def test_models_that_cannot_are_told_apart(kind):
    held = model(kind, **WINDOWED[kind])
    held.network.train()
    assert why_not(held.network, held.causal)
    assert all(module.training for module in held.network.modules())


def test_a_window_that_is_wider_than_what_is_tried_is_told_apart():
    held = model("llama")
    held.causal.config.sliding_window = 4096
    assert why_not(held.network, held.causal) == (
        "its attention looks back a limited way (`sliding_window`)"
    )


def test_a_model_that_ignores_what_it_may_see_is_told_apart():
    held = model("llama")
    decoder = held.causal.get_decoder()
    inner = decoder.forward

    def blind(*given, attention_mask=None, **more):
        return inner(*given, **more)

    decoder.forward = blind
    assert (
        why_not(held.network, held.causal)
        == "the same answer gives other states beside another one"
    )


def test_gradients_by_task_and_fisher_are_the_same():
    held, found = model("llama", LORA), []
    examples = mixed(1)
    for share in (False, True):
        ledger = Ledger(dict(held.trainable()), HALVES * 2)
        split = Split(held, ledger, {"a": 0, "b": 1}, 1, "raw", {})
        ours = parts(held, ("a", "b"), split=split, share_prompts=share)
        step = compute_gradient(ours, 0, examples)
        assert step.conflict is not None
        squares = fisher(replace(ours, split=None), examples, "data")
        found.append((step.conflict, squares))
    (apart, theirs), (shared, ours) = found
    assert shared.angles.cosine == pytest.approx(apart.angles.cosine, rel=1e-4)
    for name, square in theirs.items():
        torch.testing.assert_close(ours[name], square, rtol=1e-3, atol=1e-9, msg=name)


def test_rows_without_a_common_prompt_stay_apart():
    chance = np.random.default_rng(0)
    one, two = example(chance, 12, (3, 4)), example(chance, 12, (3, 4))
    assert placed_rows("a", one, 0, True).prompt == 12
    assert placed_rows("a", one, 0, False).prompt == 0
    assert placed_rows("a", (one[0], two[1]), 0, True).prompt == 0
    assert placed_rows("a", example(chance, 3, (3, 4)), 0, True).prompt == 0, "too short to gain"
    turn = replace(one[0], trained=np.arange(15) >= 9)
    assert placed_rows("a", (one[0], turn), 0, True).prompt == 0, "trains a part of the prompt"
    assert placed_rows("a", one, 0, True).width == 12 + 3 + 4 <= CONTEXT
