"""What comes back from a server is what was asked for, or a sentence says what it is instead."""

import json

import pytest

from madrigal.errors import ModelError
from madrigal.experience.spoken import BrokenAnswerError
from madrigal.experience.wire import Told, told

END = 2


def choice(tokens, place=0, **more):
    logps = {"token_logprobs": [-0.5] * len(tokens), "tokens": [f"token_id:{t}" for t in tokens]}
    return {"index": place, "token_ids": tokens, "logprobs": logps, **more}


def read(*choices, count=1):
    content = json.dumps({"choices": choices}).encode()
    return told(content, count=count, limit=4, end=END, vocabulary=10)


def test_answers_come_in_order_from_new_and_old_servers():
    old = choice([5, END], 0)
    del old["token_ids"]
    first, second = read(choice([7, 8, 9, 1], 1), old, count=2)
    assert first == Told([5, END], [-0.5, -0.5])
    assert second.tokens == [7, 8, 9, 1]


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (choice([]), "an answer without tokens; it must know return_token_ids"),
        (choice([5, 6, 7, 8, 9]), "gave 5 tokens where 4 were asked for at most"),
        (choice([5, END], logprobs={"token_logprobs": [-1.0]}), "1 log-probabilities of 2 tokens"),
        (choice([5, END], logprobs={"token_logprobs": [-1.0, None]}), "without a log-probability"),
        (choice([5, 11, END]), "gave the token 11, and 10 are known here"),
        (choice([5, END, 6, END]), "went on behind the end token (2)"),
        (choice([5, 6]), "ended an answer after 2 of 4 tokens without the end token (2)"),
    ],
)
def test_what_was_not_asked_for(broken, sentence):
    with pytest.raises(ModelError) as caught:
        read(broken)
    assert sentence in str(caught.value)


def test_another_number_of_answers():
    with pytest.raises(ModelError, match="gave 1 answers where 2 were asked for"):
        read(choice([5, END]), count=2)


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"choices": [{"index": 0}]}'])
def test_what_is_no_completion_is_asked_for_again(content):
    with pytest.raises(BrokenAnswerError):
        told(content, count=1, limit=4, end=END, vocabulary=10)
