"""Sampling against the softmax itself, and against one plain pass for each token."""

import numpy as np
import pytest
import torch

import tiny
from madrigal.evaluation.sample import drawn, sample
from madrigal.mixture.chance import bits

END = 7


def test_evenly_spread_numbers_draw_each_token_as_often_as_it_is_likely():
    torch.manual_seed(1)
    logits = 2 * torch.randn(1, 40)
    logits[0, [0, 12, 39]] = -torch.inf
    count = 20_000
    grid = [(n + 0.5) / count for n in range(count)]
    found = torch.bincount(drawn(logits.expand(count, -1), grid), minlength=40)
    wanted = count * logits[0].double().softmax(-1)
    assert (found - wanted).abs().max() <= 1
    assert drawn(logits, [0.0]) != 0, "a token without probability is never drawn"
    assert drawn(logits, [1 - 2.0**-53]) == 38


def plain(held, prompt, limit, ends, key):
    chance = (bits(limit, "sample", *key) >> np.uint64(11)) * 2.0**-53
    tokens = list(map(int, prompt))
    for count in range(min(limit, tiny.CONTEXT - len(prompt))):
        logits = held.network(input_ids=torch.tensor([tokens])).logits[0, -1]
        upto = logits.double().softmax(-1).cumsum(-1).numpy()
        tokens.append(int(np.argmax(upto > chance[count])))
        if any(tokens[-len(end) :] == list(end) for end in ends if len(end) <= count + 1):
            break
    return tokens[len(prompt) :]


@torch.inference_mode()
@pytest.mark.parametrize("kind", ["llama", "gpt_neo", "mamba"])
@pytest.mark.parametrize("batch_tokens", [1, 4096])
def test_a_row_is_the_same_in_any_batch(kind, batch_tokens):
    small = {"hidden_size": 16, "state_size": 4, "num_hidden_layers": 2, "intermediate_size": 32}
    held = tiny.model(kind, **(small if kind == "mamba" else {}))
    chance = np.random.default_rng(3)
    prompts = [chance.integers(1, tiny.VOCABULARY, n) for n in (1, 1, 5, 20, 60, 64)]
    limits, keys = [12, 7, 0, 12, 12, 3], [(3, "mood", n) for n in range(6)]
    free = [plain(held, *one) for one in zip(prompts, limits, [()] * 6, keys, strict=True)]
    ends = [(free[0][4],), tuple(free[3][2:4])]
    wanted = [plain(held, *one) for one in zip(prompts, limits, [ends] * 6, keys, strict=True)]
    assert sample(held, prompts, limits, ends, keys, batch_tokens) == wanted
    assert wanted[0][-1:] == list(ends[0])
    assert wanted[3][-2:] == list(ends[1])
    assert [len(text) for text in wanted[2:]] == [0, 4, 4, 0]
