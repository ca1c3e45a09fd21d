"""Sampling against the softmax itself, and against one plain pass for each token."""

import numpy as np
import pytest
import torch

import tiny
from madrigal.evaluation.sample import drawn, heated, sample
from madrigal.mixture.chance import bits

END = 7


def test_evenly_spread_numbers_draw_each_token_as_often_as_it_is_likely():
    torch.manual_seed(1)
    logits = 2 * torch.randn(1, 40)
    logits[0, [0, 12, 39]] = -torch.inf
    count = 20_000
    grid = [(n + 0.5) / count for n in range(count)]
    found = torch.bincount(drawn(logits.expand(count, -1), grid)[0], minlength=40)
    wanted = count * logits[0].double().softmax(-1)
    assert (found - wanted).abs().max() <= 1
    assert drawn(logits, [0.0])[0] != 0, "a token without probability is never drawn"
    assert drawn(logits, [1 - 2.0**-53])[0] == 38


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
    assert sample(held, prompts, limits, ends, keys, batch_tokens)[0] == wanted
    assert wanted[0][-1:] == list(ends[0])
    assert wanted[3][-2:] == list(ends[1])
    assert [len(text) for text in wanted[2:]] == [0, 4, 4, 0]


@torch.inference_mode()
@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 1.0), (1.3, 0.8)])
def test_tokens_come_with_their_log_probability_in_what_they_were_drawn_from(temperature, top_p):
    held = tiny.model()
    chance = np.random.default_rng(4)
    prompts = [chance.integers(1, tiny.VOCABULARY, n) for n in (3, 3, 9)]
    limits, keys = [5, 1, 7], [(4, "mood", n) for n in range(3)]
    how = heated(temperature, top_p)
    said, known = sample(held, prompts, limits, [(END,)], keys, 4096, how)
    assert [len(one) for one in known] == [len(one) for one in said]
    for prompt, tokens, found in zip(prompts, said, known, strict=True):
        whole = torch.tensor([[*map(int, prompt), *tokens]])
        logits = held.network(input_ids=whole).logits[0, len(prompt) - 1 : -1] / temperature
        logps = logits.double().log_softmax(-1)
        for row, token, value in zip(logps, tokens, found, strict=True):
            order = row.exp().sort(descending=True)
            kept = order.indices[: int((order.values.cumsum(0) < top_p).sum()) + 1]
            assert token in kept
            assert value == pytest.approx(float(row[token] - row[kept].logsumexp(0)), abs=1e-5)
