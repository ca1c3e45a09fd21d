"""Texts of a model of this machine: the right distribution, and chance of their own."""

import numpy as np
import pytest
import torch

import tiny
from madrigal.experience.generator import Asked, Sampling
from madrigal.experience.local import Local, picked
from madrigal.tasks.encode import Coder
from madrigal.tasks.record import Record, Turn


def local(**more):
    model = tiny.model()
    return Local(model, Coder(model.tokenizer, model.context, True), "tiny", **more)


def asked(text, seed=0, **more):
    return Asked((Turn("user", text),), Sampling(max_tokens=8, **more), seed)


def shares(how, logits, draws=20000):
    chance = (np.arange(draws) + 0.5) / draws
    rows = torch.tensor([logits]).expand(draws, -1)
    found, _ = picked(rows, chance.tolist(), how)
    return torch.bincount(found, minlength=len(logits)).double() / draws


LOGITS = [1.0, 0.2, -0.5, 2.0]


def test_the_share_of_a_token_is_its_probability_at_the_temperature():
    for temperature in (0.5, 1.0, 2.0):
        wanted = (torch.tensor(LOGITS).double() / temperature).softmax(-1)
        assert torch.allclose(shares(Sampling(temperature), LOGITS), wanted, atol=1e-3)


def test_top_p_keeps_the_likeliest_until_they_reach_it():
    p = torch.tensor(LOGITS).double().softmax(-1)  # 0.22, 0.10, 0.05, 0.62
    found = shares(Sampling(top_p=0.7), LOGITS)
    wanted = torch.tensor([p[0], 0, 0, p[3]]) / (p[0] + p[3])
    assert torch.allclose(found, wanted.double(), atol=1e-3)
    assert shares(Sampling(top_p=0.5), LOGITS)[3] == 1.0


def test_temperature_zero_takes_the_likeliest():
    assert shares(Sampling(temperature=0.0), LOGITS, 10)[3] == 1.0


def test_a_text_belongs_to_its_seed_and_conversation_alone():
    one = local()
    alone = one.answer([asked("the rain falls", 3)])
    among = one.answer([asked("a boat", 1), asked("the rain falls", 3), asked("the rain falls", 4)])
    assert alone[0] == among[1]
    assert among[1].text != among[2].text
    assert one.answer([asked("the rain falls", 3)] * 2)[1] == alone[0]


def test_answers_are_heard_in_their_places():
    heard = {}
    said = local().answer([asked(f"boat {n}", n) for n in range(70)], heard.__setitem__)
    assert [heard[n] for n in range(70)] == said


def test_a_stop_text_ends_and_is_cut_off():
    one = local()
    whole = one.answer([asked("the rain falls", 3)])[0].text
    assert len(whole) > 3
    mark = next(letter for letter in whole[1:] if not letter.isspace())
    cut = one.answer([asked("the rain falls", 3, stop=(mark,))])[0]
    assert cut.text == whole[: whole.find(mark)].strip()
    assert cut.ended


def test_words_have_the_log_probabilities_of_the_model():
    one = local()
    question = Asked((Turn("user", "the rain"),), words=("A", "B"))
    (said,) = one.answer([question])
    model, coder = one._model, one._coder
    record = Record("x", turns=question.turns)
    wanted = {}
    for word in ("A", "B"):
        prompt, answer = coder.prompt(record), coder.answer(record, word)
        tokens = torch.from_numpy(np.concatenate([prompt, answer]))[None]
        with torch.no_grad():
            logs = model.network(tokens).logits[0].log_softmax(-1)
        places = range(len(prompt) - 1, tokens.shape[1] - 1)
        wanted[word] = sum(float(logs[p, tokens[0, p + 1]]) for p in places)
    assert said.words == pytest.approx(wanted, abs=1e-4)
    assert said.text == max(wanted, key=lambda word: wanted[word])
