"""Prompts that do not fit: what goes first, and what stays to the last."""

import json

import pytest

from madrigal.tasks.encode import Coder
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.task import Task
from real import CHAT_TEMPLATE, byte_level, sentencepiece_like
from tasks_made import loaded

FORMS = {
    "byte-level": byte_level(),
    "sentencepiece": sentencepiece_like(),
    "chat": byte_level(CHAT_TEMPLATE),
}
FILE = {
    "Definition": ["Say how many."],
    "Positive Examples": [
        {"input": f"good {i} cats", "output": f"{i}", "explanation": "x"} for i in range(3)
    ],
    "Negative Examples": [{"input": "bad 7 cats", "output": "8", "explanation": "y"}],
    "Instances": [{"input": "seven " * 30 + "dogs", "output": ["7"]}],
}


@pytest.fixture(params=FORMS)
def tokenizer(request):
    return FORMS[request.param]


def instance(root, prompt=None, system="Be brief."):
    (root / "ni.json").write_text(json.dumps(FILE), encoding="utf-8")
    keys = {"prompt": prompt} if prompt else {}
    settings = {"positive": 3, "negative": 1}
    task = loaded({"test": "ni.json"}, root, instruction=settings, system=system, **keys)
    return task.splits["test"][0]


def row_of(tokenizer, record, context):
    coder = Coder(tokenizer, context, use_chat_template=True)
    task = Task("t", "answer", "exact_match", {"train": (record,), "validation": (), "test": ()})
    (row,) = coder.example(record, task)
    assert coder.prompt(record).tolist() == row.tokens[~row.trained].tolist()
    return row, tokenizer.decode(row.tokens.tolist())


def whole_length(tokenizer, record):
    return Coder(tokenizer, 4096, use_chat_template=True).prompt_length(record)


def test_examples_go_one_by_one_the_last_first(tokenizer, tmp_path):
    record = instance(tmp_path)
    marks = ("good 0", "good 1", "good 2", "bad 7")
    whole = whole_length(tokenizer, record)
    seen = []
    least = whole_length(tokenizer, list(shorter_texts(record))[-1])
    for context in range(whole + 8, least + 4, -7):
        row, text = row_of(tokenizer, record, context)
        kept = [mark in text for mark in marks]
        assert kept == sorted(kept, reverse=True), "never one before another that follows it"
        assert "Be brief." in text
        assert "Definition: Say how many." in text
        assert f"dogs\nOutput:{text.split('Output:')[-1]}" in text
        assert row.length <= context
        assert row.lost == whole - (row.length - row.answer_tokens)
        seen.append(sum(kept))
        if any(kept):
            assert FILE["Instances"][0]["input"] in text, "examples go before anything is cut"
    assert set(seen) == {0, 1, 2, 3, 4}, "each step is taken, and no more than is needed"


def test_then_the_input_is_cut_inside(tokenizer, tmp_path):
    record = instance(tmp_path)
    (bare,) = list(shorter_texts(record))[-1:]
    row, text = row_of(tokenizer, record, whole_length(tokenizer, bare) - 12)
    assert "good" not in text
    assert "bad" not in text
    before, after = text.split("Input:")
    assert before.endswith("Now complete the following example -\n")
    assert 5 < after.count("seven") < 30
    assert row.lost > 12


def shorter_texts(record):
    from dataclasses import replace

    from madrigal.tasks.shorten import shorter

    return (replace(record, turns=turns) for turns in shorter(record))


def test_a_prompt_of_the_users_own_keeps_the_instruction_too(tokenizer, tmp_path):
    record = instance(tmp_path, prompt="{definition}\n\n{examples}\n\nQ: {input}\nA:", system=None)
    _, text = row_of(tokenizer, record, 96)
    assert "Say how many.\n\nQ:" in text
    assert "dogs\nA:" in text
    assert "good" not in text


def test_system_message_and_opening_stay_where_nothing_may_be_dropped():
    coder = Coder(FORMS["chat"], 96, use_chat_template=True)
    turns = (Turn("system", "Be brief."), Turn("user", "word " * 90 + "end?"))
    prompt = FORMS["chat"].decode(coder.prompt(Record("a", turns, ("Yes.",))).tolist())
    assert prompt.startswith("<|start|>system\nBe brief.<|stop|>\n<|start|>user\n")
    assert prompt.endswith("word end?<|stop|>\n<|start|>assistant\n")


def test_an_instruction_that_fills_the_context_gives_way(tokenizer):
    coder = Coder(tokenizer, 64, use_chat_template=True)
    turns = (Turn("system", "so " * 200), Turn("user", "What is the end of it?"))
    prompt = coder.prompt(Record("a", turns, ("Yes.",)))
    assert len(prompt) <= 60
    assert "the end of it?" in tokenizer.decode(prompt.tolist())


def test_a_conversation_loses_its_oldest_turns_whole(tokenizer):
    talk = [Turn("system", "Be brief.")]
    for i in range(12):
        talk += [Turn("user", f"ask {i} now"), Turn("assistant", f"say {i} then")]
    record = Record("a", (*talk, Turn("user", "And?")), ("Well.",))
    row, text = row_of_conversation(tokenizer, record)
    left = [i for i in range(12) if f"say {i} then" in text]
    assert left == list(range(left[0], 12))
    assert 0 < left[0] < 12
    assert "Be brief." in text
    assert f"ask {left[0]} now" in text
    assert f"ask {left[0] - 1} now" not in text
    assert row.lost > 0


def row_of_conversation(tokenizer, record):
    coder = Coder(tokenizer, 160, use_chat_template=True)
    task = Task("t", "answer", "exact_match", {"train": (record,), "validation": (), "test": ()})
    (row,) = coder.example(record, task)
    return row, tokenizer.decode(row.tokens.tolist())
