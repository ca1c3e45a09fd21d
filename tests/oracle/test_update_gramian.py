"""The Gramian of the updates of the weights, against updates that are written out."""

import os

import pytest
import torch

import tiny
from madrigal.balancing.upgrad import UpGrad
from madrigal.gradients import Ledger
from madrigal.gradients.products import UpdateProducts, low_rank_pairs
from madrigal.model.adapter import add_adapter, add_private
from madrigal.model.language_model import LanguageModel
from madrigal.pipeline.parts import build_split
from madrigal.recipe.model import LoraAdapter, PrivatePart
from madrigal.recipe.stage import Gradients
from madrigal.training.loop import train
from madrigal.training.step import compute_gradient

TASKS = ("a", "b", "c")
COUNTS = {"a": 5, "b": 3, "c": 2}
UPDATE = Gradients(measure_every=1, by_layer=True, metric="update")
GROUPS = PrivatePart(rank=2, alpha=5.0, groups={"left": ("a", "c"), "right": ("b",)}, head=True)
ADAPTERS = {
    "linear": ("llama", tiny.LORA),
    "transposed": ("gpt2", tiny.LORA),
    "table": ("gpt2", LoraAdapter(rank=3, alpha=6.0, targets=("wte", "c_attn"))),
    "groups": ("llama", LoraAdapter(rank=3, alpha=6.0, private=GROUPS)),
    "gains": ("llama", tiny.LORA),
}


def model(case):
    kind, adapter = ADAPTERS[case]
    network = add_adapter(tiny.network(kind), adapter, 0)
    private = add_private(network, adapter, TASKS, 0)
    if case == "gains":  # in no pair: they count as they are
        network.get_submodule("base_model.model.model.norm").requires_grad_(True)
    torch.manual_seed(1)
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, mean=float("norm" in name), std=0.1)
    device, width = torch.device("cpu"), torch.float32
    return LanguageModel(network, tiny.tokenizer(), device, tiny.CONTEXT, kind, width, private)


def alone(held, some, task):
    """The gradient of one task's mean loss by plain autograd; zeros where it reaches nothing."""
    held.network.zero_grad(set_to_none=True)
    compute_gradient(tiny.parts(held, TASKS), 3, [pair for pair in some if pair[0] == task])
    found = tiny.gradients(held)
    held.network.zero_grad(set_to_none=True)
    return {name: found.get(name, torch.zeros_like(p)) for name, p in held.trainable()}


def other(name):
    """The name of B that belongs to A's."""
    if ".private.A_" in name:
        return name.replace(".private.A_", ".private.B_")
    return name.replace("lora_A", "lora_B").replace("lora_embedding_A", "lora_embedding_B")


def moved(held, gradient, only=""):
    """What the gradient does to the weights, all in one vector.

    W = s B A is quadratic along a line, so the central difference is the derivative.
    """
    values = dict(held.trainable())
    parts = []
    for name, a in values.items():
        second = other(name)
        scaling = 2.5 if ".private." in name else 2.0
        if only in name and second != name:
            a, b = a.detach().double(), values[second].detach().double()
            da, db = gradient[name].double(), gradient[second].double()
            change = (b + db) @ (a + da) - (b - db) @ (a - da)
            parts.append(scaling * change.flatten() / 2)
        elif only in name and "norm" in name:
            parts.append(gradient[name].double().flatten())
    return torch.cat(parts)


@pytest.mark.parametrize("case", ADAPTERS)
def test_it_is_that_of_the_updates_written_out(case):
    held, some = model(case), tiny.drawn(**COUNTS)
    gradient = {task: alone(held, some, task) for task in TASKS}
    balancer = UpGrad()
    split = build_split(UPDATE, held, balancer, TASKS)
    got = compute_gradient(tiny.parts(held, TASKS, balancer=balancer, split=split), 3, some)
    rows = torch.stack([moved(held, gradient[task]) for task in got.view.tasks])
    wanted = rows @ rows.T
    assert float((got.view.gramian - wanted).norm()) < 1e-5 * float(wanted.norm())
    assert got.conflict.metric == "update"
    first, second = got.view.tasks[:2]
    blocks = ".h." if ADAPTERS[case][0] == "gpt2" else ".layers."
    for layer in range(2):
        one, two = (moved(held, gradient[task], f"{blocks}{layer}.") for task in (first, second))
        cosine = float(torch.cosine_similarity(one, two, dim=0))
        found = got.conflict.layers[f"block {layer}"].cosine[f"{first}|{second}"]
        assert found == pytest.approx(cosine, abs=1e-5)


def ledger_of(held, rows):
    ledger = Ledger(dict(held.trainable()), len(rows))
    for row, gradient in enumerate(rows):
        for name, parameter in held.trainable():
            ledger.add(parameter, row, gradient[name])
    return ledger


def test_updates_count_and_not_how_a_and_b_share_them_out():
    """A -> R A and B -> B R^-1 with changes along: the weights and their updates are the same."""
    held, some = model("linear"), tiny.drawn(**COUNTS)
    rows = [alone(held, some, task) for task in TASKS]
    products = UpdateProducts(low_rank_pairs(held.network, dict(held.trainable())))
    before = ledger_of(held, rows)
    wanted, plain = products.gramian(before, None, None), before.gramian()
    torch.manual_seed(2)
    r = torch.eye(3) + 0.3 * torch.randn(3, 3)
    back = torch.linalg.inv(r)

    def written_anew(name, value):
        return r @ value if "lora_A" in name else value @ back

    with torch.no_grad():
        for name, parameter in held.trainable():
            parameter.copy_(written_anew(name, parameter))
    after = ledger_of(held, [{n: written_anew(n, g) for n, g in row.items()} for row in rows])
    found = products.gramian(after, None, None)
    assert float((found - wanted).norm()) < 1e-5 * float(wanted.norm())
    assert float((after.gramian() - plain).norm()) > 0.05 * float(plain.norm())


class Died(BaseException):
    """As SIGKILL: nothing catches it."""


def test_resumed_goes_the_same_way(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)

    def go(folder, die_after=-1):
        held, balancer = tiny.model(adapter=tiny.LORA), UpGrad()
        split = build_split(UPDATE, held, balancer, ("a", "b"))
        settings = tiny.stage(checkpoint_every=3)
        run = tiny.stage_run(folder, held, settings, balancer=balancer, split=split)

        def observe(what):
            if getattr(what, "step", None) == die_after:
                raise Died

        train(run, observe)
        return tiny.weights(held)

    straight = go(tmp_path / "straight")
    with pytest.raises(Died):
        go(tmp_path / "resumed", die_after=5)
    resumed = go(tmp_path / "resumed")
    assert all(torch.equal(resumed[name], value) for name, value in straight.items())
