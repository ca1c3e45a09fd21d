import copy

import numpy as np
import pytest
import torch

import tiny
from madrigal.errors import RunStopped
from madrigal.evaluation import evaluate as evaluate_module
from madrigal.evaluation.evaluate import evaluate_task
from madrigal.evaluation.few_shot import with_examples
from madrigal.evaluation.metrics import bits_per_byte, value
from madrigal.tasks.encode import Coder
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.task import Task


def record(prompt, answers, choices=(), where="t.jsonl:1", **fields):
    return Record(where, (Turn("user", prompt),), tuple(answers), tuple(choices), fields=fields)


def task(kind, metric, train=(), **changes):
    splits = {"train": tuple(train), "validation": (), "test": ()}
    return Task("t", kind, metric, splits, **changes)


@pytest.fixture(scope="module")
def held():
    return tiny.model("llama")


@pytest.fixture(scope="module")
def coder():
    return Coder(tiny.tokenizer(), tiny.CONTEXT, use_chat_template=False)


def plain_nats(held, tokens, first):
    """Nats of tokens[first:] by the whole network."""
    with torch.inference_mode():
        logits = held.network(input_ids=torch.tensor(tokens)[None]).logits[0].double()
    logps = logits.log_softmax(-1)
    return -sum(logps[i - 1, tokens[i]].item() for i in range(first, len(tokens)))


CHOICES = ("rain", "a bell rings", "the river")


def test_a_choice_is_the_likeliest_answer_of_the_training_form(held, coder):
    records = [record(f"weather {i}", [CHOICES[i]], CHOICES) for i in range(3)]
    choice = task("choice", "accuracy")
    rows = evaluate_task(held, coder, choice, records)
    for one, row in zip(records, rows, strict=True):
        for text in CHOICES:
            (encoded,) = coder.example(record(one.prompt, [text], CHOICES), choice)
            first = encoded.length - encoded.answer_tokens
            without_end = encoded.tokens[:-1]
            assert row.choices[text] == pytest.approx(
                -plain_nats(held, without_end, first), abs=1e-4
            )
            assert row.lengths[text] == (encoded.answer_tokens - 1, len(text))
        assert row.output == max(row.choices, key=row.choices.__getitem__)
        assert row.score == float(row.output == row.targets[0])
        assert (row.kind, row.where, row.id, row.cluster) == (
            "choice",
            "t.jsonl:1",
            one.key,
            one.key,
        )


@pytest.mark.parametrize(("how", "unit"), [("tokens", 0), ("bytes", 1)])
def test_choices_can_be_ranked_by_their_mean(held, coder, how, unit):
    records = [record(f"say {i}", ["rain"], CHOICES) for i in range(40)]
    rows = evaluate_task(held, coder, task("choice", "accuracy", normalise_choices=how), records)
    plain = evaluate_task(held, coder, task("choice", "accuracy"), records)
    for row, other in zip(rows, plain, strict=True):
        assert row.choices == other.choices
        assert row.output == max(CHOICES, key=lambda c: row.choices[c] / row.lengths[c][unit])
    assert [row.output for row in rows] != [row.output for row in plain]


def test_answers_are_generated_and_cut_at_the_end_token(held, coder):
    records = [record("the boat", ["x"]), record("when the rain", ["y"])]
    rows = evaluate_task(held, coder, task("answer", "token_f1", max_new_tokens=6), records)
    for one, row in zip(records, rows, strict=True):
        tokens = coder.prompt(one, room=6).tolist()
        said = []
        with torch.inference_mode():
            while len(said) < 6:
                logits = held.network(input_ids=torch.tensor([tokens + said])).logits[0, -1]
                said.append(int(logits.argmax()))
                if said[-1] == coder.end:
                    break
        text = coder.tokenizer.decode([t for t in said if t != coder.end])
        assert row.output == text.strip()
        assert row.parsed == bool(row.output)
        assert row.prompt == one.prompt


def test_an_empty_answer_is_unparsed_and_wrong(held, coder, monkeypatch):
    monkeypatch.setattr(evaluate_module, "generate", lambda *_: [[]])
    (row,) = evaluate_task(held, coder, task("answer", "exact_match"), [record("say", [" "])])
    assert (row.parsed, row.score, row.output) == (False, 0.0, "")


def test_text_is_a_row_for_each_window_and_no_byte_is_lost(held, coder):
    texts = [" ".join(tiny.TEXTS) * 4 + " — é", "a short one"]
    records = [Record(f"doc{i}.txt", text=text) for i, text in enumerate(texts)]
    rows = evaluate_task(held, coder, task("text", "perplexity"), records)
    long = [row for row in rows if row.id.startswith(records[0].key)]
    assert len(long) > 3
    assert [row.id for row in long] == [f"{records[0].key}.{i}" for i in range(1, len(long) + 1)]
    windows = coder.windows(records[:1])
    for row, window in zip(long, windows, strict=True):
        assert row.tokens == window.trained.sum()
        assert row.nats == pytest.approx(plain_nats(held, window.tokens, 1), rel=1e-5)
    # The first token of a document is predicted by nothing where there is no start token.
    first = len(coder.tokenizer.decode(windows[0].tokens[:1], skip_special_tokens=True).encode())
    assert sum(row.bytes for row in long) == len(texts[0].encode()) - first
    nats = sum(row.nats for row in rows)
    assert value(rows, "perplexity") == pytest.approx(np.exp(nats / sum(r.tokens for r in rows)))
    assert bits_per_byte(rows) == pytest.approx(nats / np.log(2) / sum(r.bytes for r in rows))


def test_broken_weights_stop_the_run(coder):
    broken = tiny.model("llama")
    with torch.no_grad():
        broken.network.lm_head.weight[5] = float("nan")
    wanted = "task 't', t.jsonl:1: the model's likelihood is not finite"
    with pytest.raises(RunStopped, match=wanted):
        evaluate_task(broken, coder, task("choice", "accuracy"), [record("x", ["rain"], CHOICES)])
    with pytest.raises(RunStopped, match="not finite"):
        evaluate_task(broken, coder, task("text", "perplexity"), [Record("d", text="the bell")])


def test_windows_of_one_document_are_resampled_together_once_there_are_ten(held, coder):
    long = " ".join(tiny.TEXTS) * 4
    few = [Record("d.txt", text=long), Record("e.txt", text="the town")]
    rows = evaluate_task(held, coder, task("text", "perplexity"), few)
    assert all(row.cluster == row.id for row in rows)
    many = [*few, *(Record("f.txt", text=f"the bell {i}") for i in range(9))]
    rows = evaluate_task(held, coder, task("text", "perplexity"), many)
    assert {row.cluster for row in rows if row.id.startswith(few[0].key)} == {few[0].key}


def test_repeated_records_keep_ids_apart_and_clusters_come_from_their_field(held, coder):
    records = [record("again", ["rain"], CHOICES, passage=p) for p in ("p1", "p2")]
    rows = evaluate_task(held, coder, task("choice", "accuracy", cluster="passage"), records)
    assert [row.id for row in rows] == [records[0].key, f"{records[0].key}-2"]
    assert [row.cluster for row in rows] == ["p1", "p2"]


def test_the_mode_of_every_module_is_restored_and_dropout_is_off(coder):
    held = tiny.model("gpt2", attn_pdrop=0.5, resid_pdrop=0.5)
    held.network.train()
    held.network.transformer.h[0].eval()
    before = [module.training for module in held.network.modules()]
    records = [record("noise", ["rain"], CHOICES)]
    first, again = (
        evaluate_task(held, coder, task("choice", "accuracy"), records) for _ in range(2)
    )
    assert first == again
    assert [module.training for module in held.network.modules()] == before
    assert {True, False} == set(before)


def train():
    return [record(f"item {i}", [f"word{i}"]) for i in range(6)]


def test_in_context_examples_stand_before_the_prompt_with_an_empty_line_between(coder):
    shown = with_examples(
        task("answer", "token_f1", train(), max_new_tokens=4),
        [record("item x", ["y"])],
        2,
        0,
        coder,
    )
    (one,) = shown
    assert one.shots == 2
    first, second, last = one.record.prompt.split("\n\n")
    assert last == "item x"
    assert first != second
    assert all(text[len("item ")] == text[-1] and " word" in text for text in (first, second))


def test_in_context_examples_that_do_not_fit_are_counted_out(coder):
    long = record("item x " + "the river carries salt " * 3, ["y"])
    wanted = task("answer", "token_f1", train(), max_new_tokens=4)
    few = with_examples(wanted, [long, record("item x", ["y"])], 6, 0, coder)
    assert few[0].shots < few[1].shots <= 6
    assert few[0].record.prompt.endswith(long.prompt)
    assert coder.prompt_length(few[0].record) + 4 + 1 <= coder.context


def test_chat_models_get_examples_as_turns_after_one_system_message():
    tokenizer = copy.deepcopy(tiny.tokenizer())
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant:{% endif %}"
    )
    templated = Coder(tokenizer, 1000, use_chat_template=True)

    def talk(text):
        turns = (Turn("system", "be brief"), Turn("user", text))
        return Record("t", turns, ("yes",))

    answer = task("answer", "token_f1", [talk("one"), talk("two")])
    (shown,) = with_examples(answer, [talk("three")], 2, 0, templated)
    roles = [turn.role for turn in shown.record.turns]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert shown.record.turns[-1].text == "three"


def test_few_shot_rows_pair_with_those_without(held, coder):
    records = [record(f"weather {i}", ["rain"], CHOICES) for i in range(3)]
    choice = task("choice", "accuracy", [record(f"now {i}", ["rain"], CHOICES) for i in range(4)])
    bare = evaluate_task(held, coder, choice, records)
    shown = evaluate_task(held, coder, choice, records, few_shot=1, seed=3)
    assert [row.id for row in shown] == [row.id for row in bare]
    assert [row.prompt for row in shown] == [row.prompt for row in bare]
    assert [row.shots for row in shown] == [1, 1, 1]
    assert [row.choices for row in shown] != [row.choices for row in bare]
    assert shown == evaluate_task(held, coder, choice, records, few_shot=1, seed=3)
