"""Greedy generation against one plain forward pass for each token of each prompt."""

import numpy as np
import pytest
import torch

import tiny
from madrigal.evaluation.generate import generate

KINDS = ("llama", "gpt2", "gpt_neo")


def plain(held, prompt, most, end):
    tokens, answer = list(map(int, prompt)), []
    while len(answer) < most and len(tokens) < tiny.CONTEXT:
        logits = held.network(input_ids=torch.tensor([tokens])).logits[0, -1]
        token = int(logits.argmax())
        if token == end:
            break
        answer.append(token)
        tokens.append(token)
    return answer


def prompts_of(count, high=30):
    random = np.random.default_rng(1)
    return [random.integers(1, tiny.VOCABULARY, random.integers(2, high)) for _ in range(count)]


@torch.inference_mode()
def both(held, prompts, most, batch_tokens):
    free = [plain(held, prompt, most, end=-1) for prompt in prompts]
    end = max({t for a in free for t in a}, key=lambda t: sum(t in a for a in free))
    expected = [plain(held, prompt, most, end) for prompt in prompts]
    return generate(held, prompts, most, end, batch_tokens), expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_tokens", [1, 100, 4096])
def test_generation_is_token_by_token_and_rows_end_at_different_times(kind, batch_tokens):
    found, expected = both(tiny.model(kind), prompts_of(9), 8, batch_tokens)
    assert found == expected
    assert len({len(answer) for answer in expected}) > 2


def test_attention_windows_are_kept():
    held = tiny.model("mistral", **(tiny.WIDE | {"sliding_window": 6}))
    found, expected = both(held, prompts_of(7), 8, 256)
    assert found == expected


def test_a_recurrent_model_generates_without_a_cache():
    held = tiny.model(
        "mamba", hidden_size=16, state_size=4, num_hidden_layers=2, intermediate_size=32
    )
    found, expected = both(held, prompts_of(4), 5, 256)
    assert found == expected


def test_an_answer_ends_at_the_contexts_end():
    held = tiny.model("gpt2")
    prompts = [np.arange(1, tiny.CONTEXT - 1), np.arange(1, 9), np.arange(1, tiny.CONTEXT + 1)]
    with torch.inference_mode():
        found = generate(held, prompts, 5, -1, 4096)
        assert found == [plain(held, p, 5, -1) for p in prompts[:2]] + found[2:]
    assert [len(answer) for answer in found] == [2, 5, 0]


def test_the_answer_is_that_of_transformers():
    held = tiny.model("llama")
    prompt = prompts_of(1)[0]
    with torch.inference_mode():
        settings = held.network.generation_config
        whole = held.network.generate(
            torch.tensor(prompt)[None],
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=8,
            do_sample=False,
        )
        found = generate(held, [prompt], 8, int(settings.eos_token_id), 64)[0]
    expected = whole[0, len(prompt) :].tolist()
    assert found == [t for t in expected if t != settings.eos_token_id]


def test_finished_rows_leave_the_batch():
    held = tiny.model("llama")
    fed = []
    held.causal.model.register_forward_pre_hook(
        lambda _, args, kwargs: fed.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    found, _ = both(held, prompts_of(9), 8, 4096)
    fed.clear()
    with torch.inference_mode():
        generate(held, prompts_of(9), 8, 10**6, 4096)
    assert fed == [9] * 8  # the first holds the prompts; nobody ended
    ends = [len(answer) for answer in found]
    assert min(ends) < 8
