"""Ranking against one plain forward pass for each prompt and answer."""

import numpy as np
import pytest
import torch

import tiny
from madrigal.evaluation.rank import rank
from madrigal.model.language_model import LanguageModel

KINDS = ("llama", "gpt2", "gpt_neo")
# Equal first tokens, one answer beginning another, single tokens, equal answers.
LABELS = ((5,), (5, 6), (5, 6, 7), (8, 9, 10, 11), (5, 9), (12,), (8, 9, 10, 11))


def plain(held, prompt, answer):
    """Log-likelihood in nats by the whole sequence through the whole network."""
    tokens = torch.tensor([[*prompt, *answer]])
    with torch.inference_mode():
        logps = held.network(input_ids=tokens).logits[0].double().log_softmax(-1)
    return sum(logps[len(prompt) - 1 + i, token].item() for i, token in enumerate(answer))


def prompts_of(count, low=3, high=40, seed=0):
    random = np.random.default_rng(seed)
    return [random.integers(1, tiny.VOCABULARY, random.integers(low, high)) for _ in range(count)]


def ranked(held, prompts, answers, batch_tokens=256):
    with torch.inference_mode():
        groups = [[np.array(a) for a in group] for group in answers]
        return rank(held, prompts, groups, batch_tokens)


def assert_plain(held, prompts, answers, batch_tokens=256):
    found = ranked(held, prompts, answers, batch_tokens)
    for prompt, group, scores in zip(prompts, answers, found, strict=True):
        expected = [plain(held, prompt, answer) for answer in group]
        np.testing.assert_allclose(scores, expected, atol=1e-5 * max(map(len, group)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_tokens", [1, 64, 4096])
def test_ranking_is_the_plain_forward(kind, batch_tokens):
    assert_plain(tiny.model(kind), prompts_of(9), [LABELS] * 9, batch_tokens)


@pytest.mark.parametrize("kind", KINDS)
def test_each_prompt_may_have_its_own_answers(kind):
    random = np.random.default_rng(3)
    answers = [
        tuple(
            tuple(random.integers(1, tiny.VOCABULARY, random.integers(1, 7)).tolist())
            for _ in range(random.integers(1, 6))
        )
        for _ in range(8)
    ]
    assert_plain(tiny.model(kind), prompts_of(8, seed=3), answers)


def test_attention_windows_are_kept():
    held = tiny.model("mistral", **(tiny.WIDE | {"sliding_window": 6}))
    assert held.network.config.sliding_window == 6
    assert_plain(held, prompts_of(7), [LABELS] * 7)


def test_a_recurrent_model_is_ranked_without_a_cache():
    held = tiny.model(
        "mamba", hidden_size=16, state_size=4, num_hidden_layers=2, intermediate_size=32
    )
    assert_plain(held, prompts_of(5), [LABELS] * 5)


def test_a_lora_adapter_counts():
    held = tiny.model("llama", tiny.LORA)
    assert_plain(held, prompts_of(4), [LABELS] * 4)
    bare = tiny.model("llama")
    assert (
        abs(
            ranked(bare, prompts_of(1), [LABELS])[0] - ranked(held, prompts_of(1), [LABELS])[0]
        ).max()
        > 0.1
    )


def test_a_prompt_that_fills_the_context_up_to_the_longest_answer():
    longest = max(map(len, LABELS))
    prompts = prompts_of(2, tiny.CONTEXT - longest, tiny.CONTEXT - longest + 1)
    for kind in KINDS:
        assert_plain(tiny.model(kind), prompts, [LABELS] * 2)


def test_log_softmax_is_taken_in_float32():
    whole = tiny.model("llama")
    half = LanguageModel(
        tiny.network("llama").to(torch.bfloat16), whole.tokenizer, whole.device, tiny.CONTEXT
    )
    prompts = prompts_of(3)
    single = [[(7,), (8,)]] * 3
    states = [half.states(torch.tensor(p)[None])[0, -1:] for p in prompts]
    expected = [half.logits(s)[0].double().log_softmax(-1)[[7, 8]] for s in states]
    for scores, wanted in zip(ranked(half, prompts, single, 1), expected, strict=True):
        np.testing.assert_allclose(scores, wanted.detach().numpy(), atol=1e-5)


def test_the_head_sees_label_positions_only_and_the_prompt_runs_once():
    held = tiny.model("llama")
    fed, headed = [], []
    causal = held.causal
    causal.model.register_forward_pre_hook(
        lambda _, args, kwargs: fed.append(kwargs["input_ids"].shape), with_kwargs=True
    )
    causal.lm_head.register_forward_pre_hook(lambda _, args: headed.append(args[0].shape[:-1]))
    prompts = prompts_of(3, 20, 21)
    ranked(held, prompts, [LABELS] * 3)
    # Rows to feed: (5, 6) and (8, 9, 10); (5,) is the beginning of the first.
    assert fed == [(3, 20), (3 * 2, 3)]
    assert sum(int(np.prod(shape)) for shape in headed) == 3 * (1 + 2 + 3)


def test_batches_do_not_depend_on_chance_and_progress_is_told():
    told = []
    held, prompts = tiny.model("llama"), prompts_of(6)
    answers = [[np.array(a) for a in LABELS]] * 6
    with torch.inference_mode():
        first = rank(held, prompts, answers, 64, lambda done, total: told.append((done, total)))
        again = rank(held, prompts, answers, 64)
    assert told[-1] == (6, 6)
    assert [d for d, _ in told] == sorted(d for d, _ in told)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_empty_prompts_and_answers_are_refused():
    held = tiny.model("llama")
    with pytest.raises(ValueError, match="an answer without tokens"):
        rank(held, prompts_of(1), [[np.array([], dtype=np.int64)]], 64)
    with pytest.raises(ValueError, match="a prompt without tokens"):
        rank(held, [np.array([], dtype=np.int64)], [[np.array([3])]], 64)
