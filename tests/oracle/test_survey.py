"""What an objective finds out about a whole step: the same however the step is laid out."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from madrigal.objectives.base import Outputs, Surveys
from madrigal.retention import Teacher
from madrigal.tasks.encoded import Encoded, Judged
from madrigal.training.step import compute_gradient, place, surveyor
from tiny import LORA, VOCABULARY, gradients, model, parts

NAN = float("nan")


def thumbs(count, seed=0):
    chance = np.random.default_rng(seed)
    made = []
    for number in range(count):
        length, answer = int(chance.integers(6, 20)), int(chance.integers(1, 5))
        judged = Judged(0, (NAN,), value=float(number % 2), reference=-3.0)
        tokens = chance.integers(1, VOCABULARY, length)
        made.append((Encoded(tokens, np.arange(length) >= length - answer, judged=judged),))
    return [("a", one) for one in made]


class Drift:
    """Costs by how far the mean log-ratio of all rows of the step has gone from 0."""

    needs = frozenset({"logps", "reference"})

    def encode_rows(self, example):
        return example

    def count(self, rows):
        return float(len(rows))

    def survey_rows(self, examples, context):
        return tuple(row for example in examples for row in example)

    def survey(self, rows, outputs):
        known = torch.tensor([row.judged.reference for row in rows])
        sums = outputs.logps.new_zeros(len(rows)).index_add(0, outputs.row, outputs.logps)
        return torch.stack([(sums - known).sum(), torch.tensor(float(len(rows)))])

    def loss(self, rows, outputs):
        total, number = outputs.survey
        sums = outputs.logps.new_zeros(len(rows)).index_add(0, outputs.row, outputs.logps)
        return (sums * (total / number)).sum()


def test_it_is_a_survey():
    assert isinstance(Drift(), Surveys)


def moved(held):
    """The teacher is the model as it was; then the model moves."""
    teacher = Teacher(held)
    torch.manual_seed(5)
    with torch.no_grad():
        for _, p in held.trainable():
            p.add_(0.02 * torch.randn_like(p))
    return teacher


@pytest.mark.parametrize("limit", [1 << 20, 30, 1], ids=["one pass", "some", "a pass a row"])
def test_one_pass_or_many(limit):
    held = model("llama", LORA)
    ours = parts(held, ("a",), objectives={"a": Drift()}, reference=moved(held))
    whole = compute_gradient(replace(ours, microbatch_tokens=1 << 20), 0, thumbs(7))
    wanted = gradients(held)
    held.network.zero_grad(set_to_none=True)
    part = compute_gradient(replace(ours, microbatch_tokens=limit), 0, thumbs(7))
    assert part.loss == pytest.approx(whole.loss, rel=1e-5)
    for name, gradient in gradients(held).items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-4, atol=1e-6)


def test_the_reference_is_the_model_before_the_stage():
    held = model("llama", LORA)
    teacher = moved(held)
    ours = parts(held, ("a",), objectives={"a": Drift()}, reference=teacher)
    found = compute_gradient(ours, 0, thumbs(5)).passes.surveys["a"]
    assert float(found[1]) == 5
    now, before = (_sums(held, teacher, thumbs(5), then) for then in (False, True))
    assert float(found[0]) == pytest.approx(now - before, rel=1e-3, abs=1e-4)
    assert abs(now - before) > 0.01


def _sums(held, teacher, drawn, then):
    total = 0.0
    for _, (row,) in drawn:
        tokens = torch.from_numpy(row.tokens)[None]
        with torch.no_grad():
            if then:
                with teacher.speaking():
                    logps = held.network(input_ids=tokens).logits[0].log_softmax(-1)
            else:
                logps = held.network(input_ids=tokens).logits[0].log_softmax(-1)
        total += sum(float(logps[t - 1, row.tokens[t]]) for t in np.flatnonzero(row.trained))
    return total


def test_a_model_that_has_learnt_nothing_has_gone_nowhere_and_dropout_is_off():
    held = model("llama", LORA.model_copy(update={"dropout": 0.5}))
    held.network.train()
    ours = parts(held, ("a",), objectives={"a": Drift()}, reference=Teacher(held))
    asked = compute_gradient(ours, 0, thumbs(5)).passes.surveys["a"]
    assert float(asked[0]) == pytest.approx(0, abs=1e-4)
    assert all(module.training for module in held.network.modules())


def test_tasks_without_a_survey_are_asked_nothing():
    held = model("llama", LORA)
    assert surveyor(parts(held)).ask([]) == {}


class Silent(Drift):
    """Has nothing to ask about this step."""

    def survey_rows(self, examples, context):
        return ()


def test_where_there_is_nothing_to_ask_the_objective_is_told_so():
    held = model("llama", LORA)
    ours = parts(held, ("a",), objectives={"a": Silent()}, reference=Teacher(held))
    assert surveyor(ours).ask(place(ours, thumbs(3)))["a"].tolist() == [0.0, 0.0]


def test_without_rows_the_sums_are_zeros():
    empty = Outputs(torch.zeros(0, dtype=torch.int64), torch.zeros(0))
    assert Drift().survey((), empty).tolist() == [0.0, 0.0]
