"""One backward pass that splits its gradients by task, against one backward pass a task."""

import pytest
import torch

from madrigal.errors import ModelError
from madrigal.gradients import Ledger, Span, Spans, per_task, uncovered
from tiny import LORA, model

ROWS, LENGTH, TASKS = 6, 10, 3
OWNERS = ((0, 0, 2), (1, 2, 3), (2, 3, 6))  # task, its first row, its last (exclusive)
FIRST_ANSWER = 5


def _batch():
    torch.manual_seed(0)
    tokens = torch.randint(1, 300, (ROWS, LENGTH))
    place = [
        (task, row * LENGTH + at)
        for task, first, last in OWNERS
        for row in range(first, last)
        for at in range(FIRST_ANSWER, LENGTH - 1)
    ]
    owner, index = (torch.tensor(column) for column in zip(*place, strict=True))
    return tokens, owner, index


def _logps(held, tokens, index, spans=None, ledger=None):
    with held.autocast():
        if ledger is None:
            states = held.states(tokens).flatten(0, 1)[index]
            return held.logps(states, tokens.flatten()[index + 1])[0]
        rows = Spans(ROWS, tuple(Span(*owner) for owner in OWNERS))
        with ledger.following(rows):
            states = held.states(tokens).flatten(0, 1)[index]
        with ledger.following(spans):
            return held.logps(states, tokens.flatten()[index + 1])[0]


def _one_by_one(held):
    tokens, owner, index = _batch()
    rows = []
    for task in range(TASKS):
        held.network.zero_grad()
        (-_logps(held, tokens, index)[owner == task].sum()).backward()
        rows.append(
            {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in held.trainable()}
        )
    held.network.zero_grad()
    return rows


def _at_once(held):
    tokens, owner, index = _batch()
    counts = [int((owner == task).sum()) for task in range(TASKS)]
    ends = torch.tensor([0, *counts]).cumsum(0).tolist()
    spans = Spans(len(index), tuple(Span(k, ends[k], ends[k + 1]) for k in range(TASKS)))
    ledger = Ledger(dict(held.trainable()), TASKS)
    with per_task(held.network, ledger):
        (-_logps(held, tokens, index, spans, ledger).sum()).backward()
    assert all(p.grad is None for _, p in held.trainable())
    return ledger


@pytest.mark.parametrize("adapter", [None, LORA], ids=["full", "lora"])
@pytest.mark.parametrize("kind", ["llama", "gpt2", "gpt_neo"])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_equal_to_a_backward_pass_for_each_task(kind, adapter, precision):
    if kind == "gpt2" and adapter is not None:
        adapter = adapter.model_copy(update={"targets": ("c_attn", "c_proj", "c_fc")})
    held = model(kind, adapter, precision=precision)
    held.network.eval()
    expected, ledger = _one_by_one(held), _at_once(held)
    # bfloat16 rounds a task's products where the whole pass rounds once: 8 bits of mantissa.
    tolerance = 1e-5 if precision == torch.float32 else 2e-2
    for name, found in ledger.matrices().items():
        for task in range(TASKS):
            wanted = expected[task][name].float()
            assert (found[task] - wanted).norm() <= tolerance * wanted.norm() + 1e-9, (name, task)


def test_gramian_and_weighted_gradient_follow_from_the_rows():
    held = model("llama")
    expected, ledger = _one_by_one(held), _at_once(held)
    rows = torch.stack([torch.cat([g.flatten() for g in row.values()]) for row in expected])
    torch.testing.assert_close(ledger.gramian().float(), rows @ rows.T, rtol=1e-4, atol=1e-6)
    weights = torch.tensor([0.5, 0.0, 2.0])
    ledger.write_gradient(dict(held.trainable()), weights)
    found = torch.cat([p.grad.flatten() for _, p in held.trainable()])
    torch.testing.assert_close(found, weights @ rows, rtol=1e-4, atol=1e-6)


def test_passes_add_up_and_clear_empties():
    held = model("llama", LORA)
    ledger = _at_once(held)
    once = ledger.gramian()
    tokens, owner, index = _batch()
    order = torch.argsort(owner, stable=True)
    assert order.equal(torch.arange(len(order)))  # positions of a task are adjacent
    counts = torch.bincount(owner).tolist()
    ends = torch.tensor([0, *counts]).cumsum(0).tolist()
    spans = Spans(len(index), tuple(Span(k, ends[k], ends[k + 1]) for k in range(TASKS)))
    with per_task(held.network, ledger):
        (-_logps(held, tokens, index, spans, ledger).sum()).backward()
    torch.testing.assert_close(ledger.gramian(), 4 * once, rtol=1e-5, atol=0)
    ledger.scale_rows(torch.tensor([0.5, 0.5, 0.5]))
    torch.testing.assert_close(ledger.gramian(), once, rtol=1e-5, atol=0)
    ledger.clear()
    assert not ledger.gramian().any()


def test_layers_are_as_before_when_the_passes_are_over():
    held = model("llama", LORA)
    tokens, _, index = _batch()
    before = _logps(held, tokens, index)
    _at_once(held)
    assert _logps(held, tokens, index).equal(before)
    assert not any("forward" in vars(module) for module in held.network.modules())


class _Odd(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(3))


def test_a_parameter_that_cannot_be_split_is_named():
    network = torch.nn.Sequential(torch.nn.Linear(3, 3), _Odd())
    assert uncovered(network) == ["1.scale"]
    ledger = Ledger(dict(network.named_parameters()), 2)
    with (
        pytest.raises(ModelError, match=r"balance: the gradient of 1\.scale cannot be split"),
        per_task(network, ledger),
    ):
        pass
