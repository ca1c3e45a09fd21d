"""Distillation on the model's own answers against a naive loop over rows and tokens."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

import retained
import tiny
from madrigal.evaluation.evaluate import still
from madrigal.evaluation.sample import sample
from madrigal.pipeline.build import build
from madrigal.pipeline.on_policy import OnPolicy
from madrigal.recipe.load import load_recipe
from madrigal.tasks.encode import Coder

STEP, STRENGTH = 2, 0.7
CONTEXT = 128
WEIGHTS = {"m2": 0.4, "echo": 1.5, "m1": 1.0}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    retained.write(folder)
    path = folder / "recipe.yaml"
    keys = retained.keys([{"kind": "distill", "on": "own"}])
    path.write_text(yaml.safe_dump(keys), encoding="utf-8")
    found = build(load_recipe(path))
    return replace(found, coder=Coder(found.tokenizer, CONTEXT, use_chat_template=False))


def model(adapter=None):
    held = tiny.model(adapter=adapter, max_position_embeddings=CONTEXT)
    return replace(held, context=CONTEXT)


@pytest.fixture
def drawn(built):
    """A step's examples: of both tasks, and one of another stage that comes as replay would."""
    mine = [built.examples[name][n] for name, n in (("m2", 0), ("echo", 3), ("m2", 2), ("echo", 3))]
    return [*mine, built.examples["m1"][0]]


def term_of(built, held, tokens=4096):
    stage = built.recipe.stages[1]
    batch = stage.batch.model_copy(update={"microbatch_tokens": tokens})
    return OnPolicy(built, stage.model_copy(update={"batch": batch}), held, STRENGTH)


def gradients(held):
    return {name: p.grad.clone() for name, p in held.trainable()}


def change(held):
    """Some training: the model is no longer its teacher."""
    torch.manual_seed(9)
    with torch.no_grad():
        for _, parameter in held.trainable():
            parameter.add_(0.05 * torch.randn_like(parameter))


def prompt_of(built, name, text):
    coder = built.coder
    return [*coder._start, *coder._pieces.starts([text])[0]]


def naive(built, teacher, held, drawn):
    """The sum over tasks of strength w_k times the mean over tokens of the reverse divergence."""
    coder, total, said_by_task = built.coder, 0.0, {}
    for place, example in enumerate(drawn):
        found = [
            (name, record)
            for name in ("m2", "echo")
            for one, record in zip(
                built.examples[name], built.tasks[name].splits["train"], strict=True
            )
            if one is example
        ]
        if not found:
            continue
        ((name, record),) = found
        prompt = prompt_of(built, name, record.prompt)
        lead = "" if record.prompt[-1].isspace() else " "
        shown = f"{record.prompt}{lead}{record.answers[0]}\n\n{record.prompt}"
        told = prompt_of(built, name, shown)
        most = built.tasks[name].max_new_tokens
        if name == "m2":
            most = 1 + max(len(coder.answer(record, text)) for text in record.choices)
        with still(held):
            (said,), _ = sample(
                held, [np.array(prompt)], [most], [(coder.end,)], [(3, "two", STEP, place)], 999
            )
        for count, _ in enumerate(said):
            q, p = (
                network.network(input_ids=torch.tensor([[*before, *said[:count]]]))
                .logits[0, -1]
                .log_softmax(-1)
                for network, before in ((held, prompt), (teacher, told))
            )
            said_by_task.setdefault(name, []).append((q.exp() * (q - p.detach())).sum())
    for name, values in said_by_task.items():
        total = total + STRENGTH * WEIGHTS[name] * torch.stack(values).mean()
    return total, {name: len(values) for name, values in said_by_task.items()}


@pytest.mark.parametrize("adapter", [None, tiny.LORA], ids=["full", "lora"])
@pytest.mark.parametrize("tokens", [1, 4096])
def test_value_and_gradient_are_those_of_the_naive_sum(built, drawn, adapter, tokens):
    held, teacher = model(adapter), model(adapter)
    term = term_of(built, held, tokens)
    change(held)
    held.network.train()
    value = term.add_gradient(STEP, drawn, WEIGHTS).value
    found = gradients(held)
    for _, parameter in held.trainable():
        parameter.grad = None
    wanted, counts = naive(built, teacher, held, drawn)
    wanted.backward()
    assert counts.keys() == {"m2", "echo"}
    assert value == pytest.approx(wanted.item(), rel=1e-4)
    assert value > 0
    for name, gradient in gradients(held).items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-6)


def test_it_adds_to_what_is_there_and_another_step_draws_anew(built, drawn):
    held = model()
    term = term_of(built, held)
    change(held)
    one = term.add_gradient(STEP, drawn, WEIGHTS)
    first = gradients(held)
    assert term.add_gradient(STEP, drawn, WEIGHTS) == one
    for name, gradient in gradients(held).items():
        torch.testing.assert_close(gradient, 2 * first[name])
    assert term.add_gradient(STEP + 1, drawn, WEIGHTS) != one


def test_the_demonstration_is_what_it_learns_from(built, drawn):
    """Before the first step model and teacher differ by the answer that the teacher was shown."""
    held = model()
    assert term_of(built, held).add_gradient(STEP, drawn, WEIGHTS).value > 1e-4


def test_what_has_no_prompt_or_no_room_is_left_out(built, drawn):
    held = model()
    text = built.examples["text"][:2]
    assert term_of(built, held).add_gradient(STEP, [*text, drawn[-1]], WEIGHTS) is None
    assert all(p.grad is None for _, p in held.trainable())
    small = replace(built, coder=Coder(built.tokenizer, 48, use_chat_template=False))
    assert term_of(small, held).add_gradient(STEP, drawn, WEIGHTS) is None
