"""The data card and the samples: numbers against hand counts, text against the tokens."""

import json

import pytest

from madrigal.tasks.card import CLOSE, OPEN, data_card, marked, samples_markdown
from madrigal.tasks.encode import Coder
from real import byte_level, sentencepiece_like
from tasks_made import loaded, of_rows, write_jsonl


@pytest.fixture
def task(tmp_path):
    rows = [{"text": "fine " * (i % 7 + 1) + str(i), "label": "ab"[i % 3 > 0]} for i in range(60)]
    write_jsonl(tmp_path / "train.jsonl", rows)
    write_jsonl(tmp_path / "test.jsonl", [{"text": "x", "label": "a"}, {"text": "y", "label": "a"}])
    data = {"train": "train.jsonl", "test": "test.jsonl", "split": {"validation": 0.0}}
    return loaded(data, tmp_path)


@pytest.fixture(params=[byte_level, sentencepiece_like], ids=["byte-level", "sentencepiece"])
def coder(request):
    return Coder(request.param(), 48, True)


def test_the_card_counts(task, coder):
    examples = coder.training(task, "train")
    card = json.loads(json.dumps(data_card(task, examples, coder)))
    rows = [example[0] for example in examples]
    assert card["counts"] == {
        "train": 60,
        "validation": 0,
        "test": 2,
        "duplicates": 0,
        "dropped": 0,
    }
    assert card["labels"] == {"train": {"a": 20, "b": 40}, "test": {"a": 2, "b": 0}}
    assert [f["records"] for f in card["files"]] == [60, 2]
    lengths = card["tokens"]
    assert lengths["train_total"] == sum(row.length for row in rows)
    assert lengths["prompt_max"] == max(row.length - row.answer_tokens for row in rows)
    assert lengths["prompt_median"] <= lengths["prompt_p95"] <= lengths["prompt_max"]
    assert lengths["answer_max"] == max(row.answer_tokens for row in rows)
    assert card["truncated"] == {
        "examples": sum(row.lost > 0 for row in rows),
        "tokens": sum(row.lost for row in rows),
    }
    histogram = card["histogram"]
    assert sum(histogram["counts"]) == 60
    assert len(histogram["edges"]) == len(histogram["counts"]) + 1 <= 21
    assert histogram["edges"][0] == min(row.length for row in rows)


def test_truncation_is_counted(task):
    coder = Coder(byte_level(), 20, True)
    card = data_card(task, coder.training(task, "train"), coder)
    assert card["truncated"]["examples"] > 10
    assert card["truncated"]["tokens"] > card["truncated"]["examples"]


def test_a_prompt_that_is_cut_counts_once_however_many_answers_stand_behind_it(tmp_path):
    long = {"prompt": "word " * 60, "chosen": "x", "rejected": "y"}
    task = of_rows([long, {**long, "prompt": "a"}], tmp_path)
    coder = Coder(byte_level(), 48, True)
    examples = coder.training(task, "test")
    (one, other), _ = examples
    assert one.lost == other.lost > 0
    assert data_card(task, examples, coder)["truncated"] == {"examples": 1, "tokens": one.lost}


def test_every_row_that_was_left_out_is_listed(tmp_path):
    pair = {"prompt": "p", "chosen": "x", "rejected": "y"}
    bad = [{**pair, "rejected": ""}] * 9
    task = of_rows([pair, *bad], tmp_path, data={"on_bad": "drop"})
    card = data_card(task, (), Coder(byte_level(), 48, True))
    assert card["bad_rows"] == [f"test.jsonl:{n}: 'rejected' is empty" for n in range(2, 11)]


def test_a_task_that_is_never_trained_is_described_by_its_test(task, coder):
    card = data_card(task, (), coder)
    assert card["tokens"]["train_total"] == 0
    assert sum(card["histogram"]["counts"]) == 2


def test_samples_show_exactly_what_is_trained(task, coder):
    examples = coder.training(task, "train")
    text = samples_markdown(task, examples, coder)
    end = coder.tokenizer.eos_token
    assert text.startswith("## t\n")
    assert f"Label:{OPEN} a{end}{CLOSE}" in text
    assert text.count("```text") == 3
    card = data_card(task, examples, coder)
    assert card["samples"][0]["prompt"].endswith("Text: fine 0\nLabel:")
    assert card["samples"][0]["answer"] == f" a{end}"


def test_the_pieces_are_the_decoded_row(task, coder):
    for (row,) in coder.training(task, "train"):
        pieces = marked(row, coder)
        assert "".join(text for text, _ in pieces) == coder.tokenizer.decode(row.tokens.tolist())
        assert [trained for _, trained in pieces] == [False, True]


def test_a_fence_in_the_data_does_not_break_the_page(tmp_path, coder):
    write_jsonl(tmp_path / "a.jsonl", [{"prompt": "```", "completion": "````"}])
    task = loaded({"test": "a.jsonl"}, tmp_path)
    assert "\n`````text\n" in samples_markdown(task, (), coder)


@pytest.fixture
def judged(tmp_path):
    """Three pairs to learn from: votes of two people, one of them a tie."""
    row = {"response_1": "yes", "response_2": "no"}
    votes = ({"ann": 1, "bob": 1}, {"ann": 2, "bob": 0}, {"ann": 1})
    rows = [row | {"prompt": f"So {i}?", "votes": said} for i, said in enumerate(votes)]
    write_jsonl(tmp_path / "train.jsonl", rows)
    write_jsonl(tmp_path / "test.jsonl", [row | {"prompt": "Then?", "votes": [0]}])
    data = {"train": "train.jsonl", "test": "test.jsonl", "split": {"validation": 0.0}}
    return loaded(data, tmp_path)


def test_the_card_of_judged_answers_counts_what_was_said(judged, coder):
    examples = coder.training(judged, "train")
    card = json.loads(json.dumps(data_card(judged, examples, coder)))
    assert (card["kind"], card["metric"]) == ("feedback", "agreement")
    assert card["feedback"] == {
        "kinds": {"pair": 4},
        "answers": {"2": 4},
        "judgements": 6,
        "annotators": 2,
        "ties": 2,
        "aspects": [],
        "scale": None,
    }
    assert sum(card["histogram"]["counts"]) == 6, "a row for each answer"
    assert card["truncated"] == {"examples": 0, "tokens": 0}
    assert [sample["answer"].strip()[:3].strip("<") for sample in card["samples"]] == [
        "yes", "no", "yes", "no", "yes", "no"
    ]  # fmt: skip
    assert card["samples"][2]["said"] == "answer 1 of 2, better than answer 2 for 25%"


def test_samples_of_judged_answers_say_what_was_said(judged, coder):
    text = samples_markdown(judged, coder.training(judged, "train"), coder)
    end = coder.tokenizer.eos_token
    assert text.count("```text") == 6
    assert "answer 2 of 2, better than answer 1 for 75%: " in text
    assert f"So 1?{OPEN} no{end}{CLOSE}" in text
