"""Reward heads in the step: against plain autograd on rows one by one, in every layout."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from madrigal.gradients import Ledger
from madrigal.gradients.gramian import HALVES
from madrigal.model.score import add_reward_heads
from madrigal.objectives import Likelihood, Outputs, Reward
from madrigal.recipe.model import LoraAdapter, PrivatePart
from madrigal.tasks.encoded import Encoded, Judged
from madrigal.training.fisher import fisher
from madrigal.training.split import Split
from madrigal.training.step import compute_gradient, verify_split
from tiny import LORA, VOCABULARY, drawn, gradients, model, parts, private_model

NAN = float("nan")
PRIVATE = LoraAdapter(rank=3, alpha=6.0, private=PrivatePart(rank=2, alpha=3.0, tasks=("a", "b")))
PLAIN, DEBIASED = Reward(centring=0.1), Reward(length_debias=0.7)
MODELS = {
    "full": lambda: model(),
    "lora": lambda: model("llama", LORA),
    "private": lambda: private_model(PRIVATE, ("a", "b"), start=1),
}


def compared(count, seed=0):
    """Pairs behind one prompt, the first answer better."""
    chance = np.random.default_rng(seed)
    for _ in range(count):
        prompt = chance.integers(1, VOCABULARY, int(chance.integers(8, 14)))
        rows = []
        for place, wins in enumerate(((NAN, 1.0), (0.0, NAN))):
            answer = chance.integers(1, VOCABULARY, int(chance.integers(1, 7)))
            trained = np.arange(len(prompt) + len(answer)) >= len(prompt)
            judged = Judged(place, wins)
            rows.append(Encoded(np.concatenate([prompt, answer]), trained, judged=judged))
        yield tuple(rows)


def examples(pairs=5, others=3):
    mixed = [("b", one) for one in compared(pairs)] + drawn(a=others)
    order = np.random.default_rng(3).permutation(len(mixed))
    return [mixed[i] for i in order]


def scored(kind="lora", objective=PLAIN):
    held = MODELS[kind]()
    add_reward_heads(held.causal, {"b": objective.heads}, 4)
    return held


def settled(held, objective=PLAIN, **changes):
    return parts(held, objectives={"a": Likelihood(), "b": objective}, **changes)


def by_hand(held, objective, some):
    """Mean loss of task b from the whole network's own hidden states, row by row."""
    rows = [row for task, example in some if task == "b" for row in example]
    scores = []
    for row in rows:
        with held.routed("b"):
            told = held.network(input_ids=torch.tensor(row.tokens)[None], output_hidden_states=True)
        scores.append(held.reward_head("b").weight @ told.hidden_states[-1][0, -1])
    empty = torch.zeros(0, dtype=torch.int64), torch.zeros(0)
    outputs = Outputs(*empty, scores=torch.stack(scores))
    if objective.length_debias:
        outputs = replace(outputs, survey=objective.survey(rows, outputs))
    return objective.loss(rows, outputs) / objective.count(rows)


def close(found, wanted, tolerance=2e-5):
    assert found.keys() == wanted.keys()
    whole = sum(float(g.norm()) for g in wanted.values())
    for name, gradient in wanted.items():
        assert float((found[name] - gradient).norm()) <= tolerance * whole, name


@pytest.mark.parametrize("share", [True, False], ids=["joined", "apart"])
@pytest.mark.parametrize("objective", [PLAIN, DEBIASED], ids=["plain", "debiased"])
@pytest.mark.parametrize("kind", MODELS)
def test_loss_and_gradient_are_those_by_hand(kind, objective, share):
    share = share and kind != "private"
    held = scored(kind, objective)
    some = [one for one in examples() if one[0] == "b"]
    wanted = by_hand(held, objective, some)
    wanted.backward()
    expected = {n: g for n, g in gradients(held).items() if g.any()}
    held.network.zero_grad(set_to_none=True)
    ours = settled(held, objective, share_prompts=share, microbatch_tokens=60)
    found = compute_gradient(ours, 0, some)
    assert found.loss["b"] == pytest.approx(wanted.item(), rel=1e-5)
    assert len(found.passes.groups) > 1
    close({n: g for n, g in gradients(held).items() if g.any()}, expected)
    assert any("reward_heads" in name for name in expected)


@pytest.mark.parametrize("objective", [PLAIN, DEBIASED], ids=["plain", "debiased"])
@pytest.mark.parametrize("share", [True, False], ids=["joined", "apart"])
def test_one_microbatch_of_eight_is_eight_of_one(share, objective):
    held, some, found = scored("lora", objective), examples(), []
    for limit in (1 << 20, 1):
        ours = settled(held, objective, share_prompts=share, microbatch_tokens=limit)
        compute_gradient(ours, 0, some)
        found.append(gradients(held))
        held.network.zero_grad(set_to_none=True)
    close(*found)


class Weighs:
    """A balancer that reads the Gramian and answers as told."""

    needs = "gramian"

    def weights(self, view):
        self.seen = view
        return torch.tensor([{"a": 0.5, "b": -2.0}[task] for task in view.tasks])

    def update(self, view):
        pass

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def split(held, named):
    return Split(held, Ledger(named, 2 * HALVES), {"a": 0, "b": 1}, 1, "raw", {})


@pytest.mark.parametrize("limit", [1 << 20, 60], ids=["one pass", "many"])
@pytest.mark.parametrize("share", [True, False], ids=["joined", "apart"])
@pytest.mark.parametrize("ledger", ["without the head", "with the head"])
@pytest.mark.parametrize("kind", MODELS)
def test_split_by_task_it_is_the_weighted_sum_of_the_tasks_own(kind, ledger, share, limit):
    if kind == "private" and (share or ledger == "with the head"):
        pytest.skip("private parts share no prompts here")
    held, some = scored(kind), examples()
    plain = settled(held, share_prompts=share)
    alone = {}
    for task in "ab":
        compute_gradient(plain, 0, [one for one in some if one[0] == task])
        alone[task] = gradients(held)
        held.network.zero_grad(set_to_none=True)
    contested = dict(held.trainable() if ledger == "with the head" else held.contested(("a", "b")))
    balancer = Weighs()
    ours = settled(
        held, balancer=balancer, split=split(held, contested),
        share_prompts=share, microbatch_tokens=limit,
    )  # fmt: skip
    verify_split(ours, 0, some)
    compute_gradient(ours, 0, some)
    found, expected = gradients(held), {}
    for task, weight in (("a", 0.5), ("b", -2.0)):
        for name, gradient in alone[task].items():
            expected[name] = expected.get(name, 0) + weight * gradient
    close({n: g for n, g in found.items() if n in expected}, expected)
    rows = {t: torch.cat([alone[t].get(n, torch.zeros_like(p)).flatten()
                          for n, p in contested.items()]).double() for t in "ab"}  # fmt: skip
    order = balancer.seen.tasks
    wanted = torch.stack([torch.stack([rows[i] @ rows[j] for j in order]) for i in order])
    torch.testing.assert_close(balancer.seen.gramian, wanted, rtol=1e-4, atol=1e-8)


def test_a_head_is_its_tasks_own_and_counts_in_no_angle():
    held = scored()
    name = "base_model.model.reward_heads.of_b.weight"
    assert name in dict(held.trainable())
    assert name in dict(held.reached("b"))
    assert name not in dict(held.reached("a"))
    assert name not in dict(held.shared())
    assert name not in dict(held.contested(("a", "b")))


@pytest.mark.parametrize("share", [True, False], ids=["joined", "apart"])
@pytest.mark.parametrize("kind", MODELS)
def test_fisher_is_that_of_examples_one_by_one(kind, share):
    held, some = scored(kind), examples()
    ours = settled(held, share_prompts=share and kind != "private")
    expected = {name: torch.zeros_like(p) for name, p in held.trainable()}
    units = 0.0
    for one in some:
        found = compute_gradient(ours, 0, [one])
        units += found.totals[one[0]]
        for name, gradient in gradients(held).items():
            expected[name] += (gradient * found.totals[one[0]]) ** 2
        held.network.zero_grad(set_to_none=True)
    close(fisher(ours, some, "data"), {n: g / units for n, g in expected.items()}, 1e-4)


def test_the_head_is_float32_and_drawn_by_seed_and_task():
    held = model("llama", LORA, precision=torch.bfloat16)
    add_reward_heads(held.causal, {"keys": 1, "b": 2}, 4)
    states = torch.randn(7, 32)
    with held.autocast():
        found = held.scores("b", states.bfloat16())
    assert found.dtype == torch.float32
    expected = states.bfloat16().float() @ held.reward_head("b").weight.T
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    again = model()
    add_reward_heads(again.causal, {"b": 2}, 4)
    assert torch.equal(again.reward_head("b").weight, held.reward_head("b").weight)
    assert not torch.equal(held.reward_head("b").weight[:1], held.reward_head("keys").weight)


def test_its_first_values_have_the_variance_that_is_said():
    held = model(hidden_size=1024, intermediate_size=8, num_hidden_layers=1)
    add_reward_heads(held.causal, {"b": 64}, 0)
    assert held.reward_head("b").weight.var().item() == pytest.approx(1 / 1025, rel=0.02)


def test_a_task_without_a_head_cannot_be_scored():
    with pytest.raises(ValueError, match="task 'a' has no reward head"):
        scored().scores("a", torch.zeros(1, 32))
