"""A client meets every way in which an address can fail, and loses no answer."""

import json
import time

import pytest

from madrigal.errors import ModelError, RunStopped
from madrigal.experience.cached import Cached, Kept
from madrigal.experience.generator import Asked, Sampling
from madrigal.experience.remote import Address, Remote
from madrigal.tasks.record import Turn
from speaking_server import KEY, serving


@pytest.fixture
def server():
    with serving() as running:
        yield running


def remote(server, **changes):
    settled = {"first_pause": 0.01, "timeout": 0.5, "tries": 4, "at_once": 3}
    return Remote(Address(server.url, "tiny", **(settled | changes)))


def asked(count, **more):
    return [Asked((Turn("user", f"question {n}"),), seed=n, **more) for n in range(count)]


def test_answers_come_in_order_whatever_order_they_arrive_in(server):
    server.slow = 0.02
    heard = {}
    said = remote(server).answer(asked(9), heard.__setitem__)
    assert [one.text.split()[-1] for one in said] == [str(n) for n in range(9)]
    assert [heard[n] for n in range(9)] == said
    assert (said[0].read, said[0].written, said[0].ended) == (7, 3, True)
    assert 1 < server.most_at_once <= 3


def test_what_is_sent(server):
    how = Sampling(0.7, 0.9, 33, ("\n\n",))
    turns = (Turn("system", "Be kind."), Turn("user", "Hi"))
    remote(server, more={"min_p": 0.1}).answer([Asked(turns, how, 5)])
    path, body = server.requests[0]
    assert path == "/v1/chat/completions"
    assert body == {
        "model": "tiny", "temperature": 0.7, "top_p": 0.9, "max_tokens": 33, "seed": 5, "n": 1,
        "stream": False, "stop": ["\n\n"], "min_p": 0.1,
        "messages": [
            {"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"},
        ],
    }  # fmt: skip


def test_completions_get_a_text(server):
    several = Asked((Turn("user", "Hi"), Turn("assistant", "Yes?"), Turn("user", "Go")))
    said = remote(server, api="completions").answer([Asked((Turn("user", "Hi"),)), several])
    bodies = {body["prompt"] for _, body in server.requests}
    assert {path for path, _ in server.requests} == {"/v1/completions"}
    assert bodies == {"Hi", "Human: Hi\n\nAssistant: Yes?\n\nHuman: Go\n\nAssistant:"}
    assert all(one.text.startswith("said ") for one in said)


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_log_probabilities_of_words(server, api):
    (said,) = remote(server, api=api).answer(asked(1, words=("A", "B", "C")))
    assert said.words == {"A": -0.2, "B": -1.8, "C": -5.0}  # at most the least that is listed
    (said,) = remote(server, api=api, log_probabilities=False).answer(asked(1, words=("A", "B")))
    assert said.words is None


@pytest.mark.parametrize("fate", [500, 503, 429, 408, "cut", "drop", "empty", "hang"])
def test_what_may_pass_is_tried_again(server, fate):
    server.plan.extend([fate, fate])
    one = remote(server, at_once=1)
    assert len(one.answer(asked(2))) == 2
    assert one.retried == 2
    assert sum(server.answered.values()) == 2


def test_what_the_server_asks_for_is_waited_for(server):
    server.plan.append((429, {"Retry-After": "0.4"}))
    begun = time.monotonic()
    remote(server).answer(asked(1))
    assert time.monotonic() - begun >= 0.4


def test_a_long_wait_is_the_users(server):
    server.plan.append((429, {"Retry-After": "7200"}))
    with pytest.raises(RunStopped, match=r"asks to wait 7,200 s; give the same command again"):
        remote(server).answer(asked(1))


def test_an_address_that_is_down_is_one_clear_line_and_nothing_is_lost(server, tmp_path):
    server.plan.extend([None, None, None, *[500] * 40])
    kept = Kept(tmp_path)
    with pytest.raises(RunStopped) as stopped:
        Cached(remote(server, at_once=2), kept).answer(asked(12))
    assert str(stopped.value) == (
        f'{server.url}: answered 500 (\'{{"error": {{"message": "planted"}}}}\'), 4 times; give '
        "the same command again later: what was answered is kept and not asked for again"
    )
    assert len(kept) == 3
    server.plan.clear()
    again = Cached(remote(server), Kept(tmp_path))
    said = again.answer(asked(12))
    assert [one.text.split()[-1] for one in said] == [str(n) for n in range(12)]
    assert again.asked == 9
    assert set(server.answered.values()) == {1}  # no call that was answered was made twice


def test_nobody_there():
    with serving() as gone:
        address = gone.url
    one = Remote(Address(address, "tiny", tries=2, first_pause=0.01))
    with pytest.raises(RunStopped, match=r"/v1: cannot be reached \(ConnectError\), 2 times; give"):
        one.answer(asked(3))


@pytest.mark.parametrize(
    ("status", "cure"),
    [
        (404, "check `url` \\(it ends with /v1\\) and that the server has a model 'tiny'"),
        (400, "see what the server says"),
    ],
)
def test_what_cannot_pass_is_said_at_once(server, status, cure):
    server.plan.extend([status] * 3)
    with pytest.raises(ModelError, match=f"answered {status} .*planted.*; {cure}"):
        remote(server, at_once=1).answer(asked(3))
    assert len(server.requests) == 1


def test_the_key_is_sent_and_stands_nowhere(server, tmp_path):
    server.key = KEY
    right = remote(server, key=KEY)
    kept = Kept(tmp_path)
    Cached(right, kept).answer(asked(2))
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert KEY not in (tmp_path / "answers.jsonl").read_text() + right.name
    assert KEY not in repr(Address(server.url, "tiny", key=KEY))
    wrong = remote(server, key="sk-wrong-5678", at_once=1)
    with pytest.raises(ModelError) as refused:  # the server repeats the key in its answer
        wrong.answer(asked(1))
    assert "sk-wrong-5678" not in str(refused.value)
    assert "check the key in the environment variable" in str(refused.value)


def test_names_tell_models_apart(server):
    names = {
        remote(server).name,
        Remote(Address(server.url, "other")).name,
        remote(server, api="completions").name,
        remote(server, more={"min_p": 0.1}).name,
    }
    assert len(names) == 4
    assert remote(server, timeout=3.0, at_once=1).name in names


def test_a_line_that_was_cut_is_asked_for_again(server, tmp_path):
    kept = Kept(tmp_path)
    Cached(remote(server, at_once=1), kept).answer(asked(3))
    file = tmp_path / "answers.jsonl"
    file.write_bytes(file.read_bytes()[:-15])
    again = Cached(remote(server), Kept(tmp_path))
    said = again.answer(asked(3))
    assert again.asked == 1
    assert [one.text.split()[-1] for one in said] == ["0", "1", "2"]
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == 3
