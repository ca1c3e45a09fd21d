"""Judged answers as rows: one each, behind the very same prompt, with what was said of them."""

import math

import numpy as np
import pytest

from madrigal.errors import DataError
from madrigal.tasks.encode import Coder
from real import byte_level, sentencepiece_like
from tasks_made import of_rows

CHAT = (
    "{% for m in messages %}<{{ m['role'] }}> {{ m['content'].strip() }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def templated(make):
    def made():
        tokenizer = make()
        tokenizer.chat_template = CHAT
        return tokenizer

    return made


@pytest.fixture(
    params=[byte_level, sentencepiece_like, templated(byte_level), templated(sentencepiece_like)],
    ids=["byte-level", "sentencepiece", "templated byte-level", "templated sentencepiece"],
)
def coder(request):
    return Coder(request.param(), 64, True)


def ranked(tmp_path, prompt, answers, ranks):
    rows = [{"prompt": prompt, "answers": answers, "ranks": ranks}]
    task = of_rows(rows, tmp_path)
    return task, task.splits["test"][0]


def answer_of(row, coder):
    return coder.tokenizer.decode(row.tokens[row.trained].tolist())


def test_a_row_for_each_answer_behind_the_same_prompt(tmp_path, coder):
    answers = ["yes", "a much longer answer than that", "no"]
    task, record = ranked(tmp_path, "Is it so?", answers, [2, 1, 2])
    rows = coder.example(record, task)
    assert coder.training(task, "test")[0][1].tokens.tolist() == rows[1].tokens.tolist()
    prompts = [row.tokens[~row.trained].tolist() for row in rows]
    assert prompts == [coder.prompt(record).tolist()] * 3
    for place, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        said = [*coder.answer(record, answer).tolist(), coder.end]
        assert row.tokens[row.trained].tolist() == said
        assert not row.trained[: len(prompts[0])].any()
        assert answer in answer_of(row, coder)
        assert row.judged.place == place
        assert row.judged.emphasis is None
        assert math.isnan(row.judged.value)
    wins = np.array([row.judged.wins for row in rows])
    np.testing.assert_array_equal(
        wins, [[np.nan, 0.0, 0.5], [1.0, np.nan, 1.0], [0.5, 0.0, np.nan]]
    )


def test_the_longest_answer_shortens_the_prompt_of_all(tmp_path, coder):
    long = "word " * 5
    task, record = ranked(tmp_path, "so " * 40, ["yes", long, "no"], [1, 2, 3])
    rows = coder.example(record, task)
    assert len({row.tokens[~row.trained].tobytes() for row in rows}) == 1
    assert {row.lost for row in rows} == {coder.prompt_length(record) - (~rows[0].trained).sum()}
    assert rows[0].lost > 0
    assert max(row.length for row in rows) == 64


def test_an_answer_that_does_not_fit_is_refused_with_its_line(tmp_path):
    coder = Coder(byte_level(), 40, True)
    task, record = ranked(tmp_path, "Is it so?", ["yes", "word " * 60], [1, 2])
    says = r"test.jsonl:1: the answer has \d+ tokens; with a context of 40 at most 29 fit"
    for refuse in (
        lambda: coder.example(record, task),
        lambda: coder.training(task, "test"),
        lambda: coder.check(task),
        lambda: coder.prompt(record),
    ):
        with pytest.raises(DataError, match=says):
            refuse()


def test_answers_of_the_model_in_the_prompt_are_not_trained(tmp_path, coder):
    said = "Human: Hi?\n\nAssistant: Ho.\n\nHuman: And?\n\nAssistant: "
    task = of_rows([{"chosen": f"{said}good", "rejected": f"{said}bad"}], tmp_path)
    for row, answer in zip(coder.training(task, "test")[0], ("good", "bad"), strict=True):
        assert answer_of(row, coder).strip().startswith(answer)
        assert "Ho" in coder.tokenizer.decode(row.tokens[~row.trained].tolist())


def test_a_text_without_prompt_begins_as_raw_text_does(tmp_path, coder):
    task = of_rows([{"text": "so be it", "rating": 0.75}], tmp_path, feedback={"scale": [0, 1]})
    ((row,),) = coder.training(task, "test")
    (window,) = coder.windows([task.splits["test"][0].__class__("f", text="so be it")])
    start = len(coder.start) or 1
    assert row.trained.tolist() == [False] * start + [True] * (row.length - start)
    assert row.tokens[:-1].tolist()[start:] == window.tokens.tolist()[len(coder.start) :]
    assert row.tokens[:start].tolist() == (list(coder.start) or [coder.end])
    assert row.judged.value == 0.75
    assert row.judged.wins == (pytest.approx(math.nan, nan_ok=True),)


def test_a_margin_goes_with_both(tmp_path, coder):
    task = of_rows([{"prompt": "p", "chosen": "x", "rejected": "y", "margin": 1.5}], tmp_path)
    assert [row.judged.margin for row in coder.training(task, "test")[0]] == [1.5, 1.5]


def test_edited_tokens_are_emphasised(tmp_path, coder):
    task = of_rows(
        [{"prompt": "p", "original": "ab cd ef gh", "corrected": "ab ef XY gh"}], tmp_path
    )
    for row, edit in zip(coder.training(task, "test")[0], ("cd", "XY"), strict=True):
        said = row.tokens[row.trained]
        assert row.judged.emphasis.shape == said.shape
        marked = coder.tokenizer.decode(said[row.judged.emphasis == 1.0].tolist())
        assert edit in marked
        assert len(marked.strip()) <= len(edit) + 2  # a token may hold a neighbour's letter
        assert set(row.judged.emphasis.tolist()) == {0.0, 1.0}


def test_trust_in_people_weighs_their_votes(tmp_path, coder):
    from dataclasses import replace

    row = {"prompt": "p", "response_1": "x", "response_2": "y", "votes": {"ann": 1, "bob": 2}}
    task = of_rows([row], tmp_path)
    assert coder.training(task, "test")[0][0].judged.wins[1] == 0.5
    task = replace(task, trust={"ann": 3.0})
    assert coder.training(task, "test")[0][0].judged.wins[1] == 0.75
