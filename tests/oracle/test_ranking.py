"""Ranking against one plain forward pass for each prompt and answer."""

import numpy as np
import pytest
import torch

import tiny
from madrigal.evaluation.evaluate import evaluate_task
from madrigal.evaluation.few_shot import with_examples
from madrigal.evaluation.rank import rank, told_apart
from madrigal.model.language_model import LanguageModel
from madrigal.tasks.encode import Coder
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.task import Task

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


@pytest.mark.parametrize("kind", KINDS)
def test_prompts_that_fill_the_context_with_answers_of_unlike_lengths(kind):
    """One batch would be padded to the longest prompt and the longest answer, which do not fit."""
    random = np.random.default_rng(0)
    sizes = (tiny.CONTEXT - 20, tiny.CONTEXT - 16, tiny.CONTEXT - 12)
    prompts = [random.integers(1, tiny.VOCABULARY, size) for size in sizes]
    full = [random.integers(1, tiny.VOCABULARY, tiny.CONTEXT - size).tolist() for size in sizes]
    assert_plain(tiny.model(kind), prompts, [((5,), tuple(one)) for one in full], 4096)


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


YES_NO = ("yes", "yes and no", "no")
APART = ("rain", "salt", "no")


def coder():
    return Coder(tiny.tokenizer(), tiny.CONTEXT, use_chat_template=False)


def choice_task(records, how="none"):
    splits = {"train": tuple(records), "validation": (), "test": ()}
    return Task("t", "choice", "accuracy", splits, normalise_choices=how)


def choice_record(prompt, answer, choices=YES_NO):
    return Record(f"t.jsonl:{prompt}", (Turn("user", prompt),), (answer,), choices)


def test_the_end_token_is_added_only_where_an_answer_begins_another():
    apart = [np.array(a) for a in ((5, 6), (5, 7), (6,), (5, 6))]
    for one, same in zip(apart, told_apart(apart, 0), strict=True):
        assert one is same
    begun = [np.array(a) for a in ((5, 6, 7), (8,), (5, 6, 6), (5, 6))]
    assert [a.tolist() for a in told_apart(begun, 0)] == [
        [5, 6, 7, 0], [8, 0], [5, 6, 6, 0], [5, 6, 0]
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("few_shot", [0, 2])
@pytest.mark.parametrize("how", ["none", "tokens", "bytes"])
def test_choices_that_begin_others_are_ranked_with_their_end(kind, few_shot, how):
    held, code = tiny.model(kind), coder()
    records = [choice_record(f"the boat {i}", YES_NO[i % 3]) for i in range(5)]
    records += [choice_record(f"the bell {i}", "rain", APART) for i in range(3)]
    task = choice_task(records, how)
    rows = evaluate_task(held, code, task, records, few_shot=few_shot)
    shown = records
    if few_shot:
        shown = [one.record for one in with_examples(task, records, few_shot, 0, code)]
        assert all(row.shots for row in rows)
    for one, row in zip(shown, rows, strict=True):
        end = [code.end] if one.choices == YES_NO else []
        answers = {c: [*code.answer(one, c).tolist(), *end] for c in one.choices}
        for text, tokens in answers.items():
            expected = plain(held, code.prompt(one).tolist(), tokens)
            assert row.choices[text] == pytest.approx(expected, abs=1e-4)
            assert row.lengths[text] == (len(tokens), len(text))
        divisors = {
            c: {"none": 1, "tokens": len(t), "bytes": len(c)}[how] for c, t in answers.items()
        }
        means = {c: row.choices[c] / divisors[c] for c in one.choices}
        assert row.output == max(means, key=means.__getitem__)


def test_a_model_that_learnt_a_label_and_a_longer_one_gets_both_right():
    held, code = tiny.model("llama"), coder()
    records = [
        choice_record(prompt, answer)
        for prompt, answer in zip(("boat", "rain", "bell"), YES_NO, strict=True)
    ]
    task = choice_task(records)
    optimiser = torch.optim.AdamW([p for _, p in held.trainable()], lr=3e-3)
    for _ in range(40):
        for (row,) in code.training(task, "train"):
            tokens, trained = torch.tensor(row.tokens), torch.tensor(row.trained)
            logits = held.network(input_ids=tokens[None]).logits[0, :-1]
            wanted = torch.where(trained, tokens, -100)[1:]
            torch.nn.functional.cross_entropy(logits, wanted).backward()
        optimiser.step()
        optimiser.zero_grad()
    rows = evaluate_task(held, code, task, records)
    assert [row.output for row in rows] == list(YES_NO)
    assert {row.score for row in rows} == {1.0}
