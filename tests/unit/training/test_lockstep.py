"""Processes that share the base out make the same number of passes, whatever work each has."""

from dataclasses import replace

import pytest
import torch

import tiny
from madrigal.gradients import Ledger, per_task
from madrigal.gradients.gramian import HALVES
from madrigal.model.shards import Shards
from madrigal.training.lockstep import by_first
from madrigal.training.processes import Processes
from madrigal.training.step import _passes, place

TASKS = ("a", "b")
ORDER = {"a": 0, "b": 1}


@pytest.fixture
def shared():
    """A model that says it is shared out, so that its passes must agree; in truth it is whole."""
    held = tiny.model("llama", tiny.LORA)
    return replace(held, shards=Shards(held.causal.get_decoder(), held.device))


def counted(held, work):
    """How often the decoder ran, and how often a gradient came back through its first block."""
    ran, back = [], []
    decoder = held.causal.get_decoder()
    handles = [
        decoder.register_forward_hook(lambda *_: ran.append(1)),
        decoder.layers[0].register_full_backward_hook(lambda *_: back.append(1)),
    ]
    work()
    for handle in handles:
        handle.remove()
    return len(ran), len(back)


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("kind", ["plain", "by task", "without gradients"])
@pytest.mark.parametrize("count", [2, 3])
def test_all_processes_make_as_many_passes(shared, kind, count):
    ledger = Ledger(dict(shared.trainable()), HALVES * len(TASKS))
    found, own = set(), set()
    for index in range(count):
        parts = tiny.parts(shared, microbatch_tokens=30, processes=Processes(index, count))
        passes = _passes(parts, 0, place(parts, tiny.drawn(a=5, b=2)))

        def work(passes=passes):
            if kind == "plain":
                passes.run(dict.fromkeys(TASKS, 1.0))
            elif kind == "without gradients":
                passes.look(TASKS)
            else:
                with per_task(shared.network, ledger):
                    passes.run_split(ledger, ORDER)

        found.add(counted(shared, work))
        own.add(len(passes.own()))
    assert len(own) > 1, "the work is even, so this shows nothing"
    assert found == {(max(own), 0 if kind == "without gradients" else max(own))}


def test_a_pass_without_work_adds_nothing(shared):
    held = replace(shared, shards=None)
    sums = []
    for model in (held, shared):
        ledger = Ledger(dict(model.trainable()), HALVES * len(TASKS))
        parts = tiny.parts(model, microbatch_tokens=30, processes=Processes(0, 2))
        passes = _passes(parts, 0, place(parts, tiny.drawn(a=5, b=2)))
        assert passes.idle() == int(model is shared)
        passes.run(dict.fromkeys(TASKS, 1.0))
        plain = tiny.gradients(model)
        model.network.zero_grad(set_to_none=True)
        with per_task(model.network, ledger):
            passes.run_split(ledger, ORDER)
        sums.append((plain, ledger.matrix().clone()))
    assert torch.equal(sums[0][1], sums[1][1])
    for name, gradient in sums[0][0].items():
        assert torch.equal(gradient, sums[1][0][name])


def test_alone_the_first_works():
    held = tiny.model()
    assert by_first(Processes(0, 2), held, lambda: 3) == 3
    assert by_first(Processes(1, 2), held, lambda: 3) is None
