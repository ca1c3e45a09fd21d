"""The Fisher information: by hand for a logistic model, and by a plain loop over examples."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from madrigal.errors import RetentionError
from madrigal.objectives import Likelihood
from madrigal.recipe.model import LoraAdapter, PrivatePart
from madrigal.training import fisher as room
from madrigal.training.fisher import fisher
from tiny import LORA, WIDE, drawn, examples, model, parts, private_model, row

PRIVATE = LoraAdapter(rank=3, alpha=6.0, private=PrivatePart(rank=2, alpha=3.0, tasks=("a", "b")))
HEAD = PRIVATE.model_copy(update={"private": PRIVATE.private.model_copy(update={"head": True})})
OPT = {k: WIDE[k] for k in ("hidden_size", "num_hidden_layers", "num_attention_heads")} | {
    "ffn_dim": 48, "max_position_embeddings": 64, "word_embed_proj_dim": 16, "dropout": 0.0,
}  # fmt: skip
MODELS = {
    "full": lambda: model(),
    "tied": lambda: model(tie_word_embeddings=True),
    "gpt2": lambda: model("gpt2"),
    "lora": lambda: model("llama", LORA),
    "gpt2 lora": lambda: model("gpt2", LORA),
    "private": lambda: private_model(PRIVATE, ("a", "b"), start=1),
    "private head": lambda: private_model(HEAD, ("a", "b"), start=1),
    "not to be split": lambda: model("opt", **OPT),
}


def pairs(count, seed=0):
    """Examples of two rows each, of mixed lengths."""
    some = examples(2 * count, seed)
    return [(*one, *two) for one, two in zip(some[::2], some[1::2], strict=True)]


def naive(held, settled, some):
    """sum_e g_e^2 / sum_e u_e, example by example and row by row, from the network's own logits."""
    named, units = dict(held.trainable()), 0.0
    total = {name: torch.zeros_like(p) for name, p in named.items()}
    for task, example in some:
        objective, loss = settled.objectives[task], torch.zeros(())
        for one in example:
            tokens, at = torch.tensor(one.tokens), np.flatnonzero(one.trained)
            with held.routed(task):
                logits = held.network(input_ids=tokens[None]).logits[0]
            cost = cross_entropy(logits[at - 1], tokens[at], reduction="sum")
            loss = loss + (cost if objective.normalise == "tokens" else cost / len(at))
            units += len(at) if objective.normalise == "tokens" else 1
        found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
        for name, gradient in zip(named, found, strict=True):
            if gradient is not None:
                total[name] += gradient**2
    return {name: held / units for name, held in total.items()}


def assert_same(ours, theirs, tolerance=1e-4):
    assert ours.keys() == theirs.keys()
    whole = sum(float(expected.norm()) for expected in theirs.values())
    for name, expected in theirs.items():
        # What is 0 but for rounding (the bias of keys) is compared with everything else.
        scale = max(float(expected.norm()), 1e-6 * whole)
        assert float((ours[name] - expected).norm()) <= tolerance * scale, name
        assert (ours[name] >= 0).all(), name


@pytest.mark.parametrize("kind", MODELS)
def test_it_is_that_of_a_plain_loop(kind):
    held = MODELS[kind]()
    settled, some = parts(held), drawn(a=5, b=4)
    some += [("b", two) for two in pairs(3)]
    expected = naive(held, settled, some)
    assert_same(fisher(settled, some, "data"), expected)
    assert not [name for name, _ in held.trainable() if not expected[name].any()]
    assert all(p.grad is None for _, p in held.trainable())


@pytest.mark.parametrize("labels", ["data", "model"])
@pytest.mark.parametrize("kind", [k for k in MODELS if k != "not to be split"])
def test_many_examples_a_pass_are_as_one_at_a_time(monkeypatch, kind, labels):
    held = MODELS[kind]()
    settled, some = parts(held), drawn(a=5, b=4) + [("b", two) for two in pairs(3)]
    together = fisher(settled, some, labels)
    monkeypatch.setattr(room, "_TOGETHER", 1)
    assert_same(together, fisher(settled, some, labels))


@pytest.mark.parametrize("labels", ["data", "model"])
@pytest.mark.parametrize("kind", ["full", "lora", "private head", "not to be split"])
def test_microbatches_do_not_matter(kind, labels):
    held, some = MODELS[kind](), drawn(a=5, b=4)
    one, two, three = (
        fisher(parts(held, microbatch_tokens=limit), some, labels) for limit in (1, 40, 1 << 20)
    )
    assert_same(one, three)
    assert_same(two, three)


@pytest.mark.parametrize("labels", ["data", "model"])
def test_units_are_those_of_the_objective(labels):
    held, some = model("llama", LORA), drawn(a=5, b=4)
    objectives = {"a": Likelihood("examples"), "b": Likelihood("tokens")}
    settled = parts(held, objectives=objectives)
    if labels == "data":
        assert_same(fisher(settled, some, labels), naive(held, settled, some))
    more = [(task, example) for task, example in some for _ in range(2)]
    twice = fisher(settled, more, "data")
    assert_same(twice, fisher(settled, some, "data"))


def test_dropout_is_off_and_comes_back():
    quiet, noisy = model("gpt2"), model("gpt2", resid_pdrop=0.5, embd_pdrop=0.5)
    noisy.network.train()
    some = drawn(a=4, b=2)
    assert_same(fisher(parts(noisy), some, "data"), fisher(parts(quiet), some, "data"))
    assert noisy.network.training


def test_own_targets_follow_seed_and_stage():
    held, some = model("llama", LORA), drawn(a=4)
    first = fisher(parts(held), some, "model")
    assert_same(fisher(parts(held), some, "model"), first, tolerance=0)
    for changes in ({"seed": 1}, {"stage": "other"}):
        other = fisher(parts(held, **changes), some, "model")
        assert any(not torch.allclose(other[n], first[n], rtol=0.01) for n in first)


class TestLogistic:
    """Only the head is trained: softmax regression on fixed states h, so that with p the
    prediction and y the target the gradient of W[v, d] is (p_v - y_v) h_d."""

    ROWS = tuple(("a", (row(length, 1, length),)) for length in (5, 9, 14))
    LONG = (("a", (row(12, 4),)), ("a", (row(20, 3),)))

    def held(self):
        found = model()
        found.network.requires_grad_(False)
        found.network.lm_head.weight.requires_grad_(True)
        with torch.no_grad():
            found.network.lm_head.weight.mul_(4)  # so that some tokens are likely
        return found

    @torch.no_grad()
    def states(self, held, example):
        """h and p at the trained positions of a row, and what stands there."""
        tokens, at = torch.tensor(example[0].tokens), np.flatnonzero(example[0].trained)
        h = held.states(tokens[None])[0, at - 1].double()
        return h, (h @ held.network.lm_head.weight.T.double()).softmax(-1), tokens[at]

    def test_of_the_datas_labels(self):
        """(sum_t (p_tv - y_tv) h_td)^2 over examples, by the tokens of all."""
        held, total, units = self.held(), 0, 0
        for _, example in (*self.ROWS, *self.LONG):
            h, p, wanted = self.states(held, example)
            y = torch.nn.functional.one_hot(wanted, p.shape[1])
            total = total + ((p - y).T @ h) ** 2
            units += len(wanted)
        found = fisher(parts(held), [*self.ROWS, *self.LONG], "data")
        assert list(found) == ["lm_head.weight"]
        expected = (total / units).float()
        torch.testing.assert_close(found["lm_head.weight"], expected, rtol=1e-4, atol=1e-8)

    def test_of_the_models_labels_is_that_in_the_mean(self, monkeypatch):
        """sum_t p_tv (1 - p_tv) h_td^2, over many draws, as far off as chance allows."""
        held, draws = self.held(), 1000
        monkeypatch.setattr(room, "_TOGETHER", 250)
        some = [one for one in self.ROWS for _ in range(draws)]
        found = fisher(parts(held, microbatch_tokens=4096), some, "model")["lm_head.weight"]
        expected, variance, often = 0, 0, 0
        for _, example in self.ROWS:
            h, p, _ = self.states(held, example)
            mean = p * (1 - p)
            fourth = p * (1 - p) ** 4 + (1 - p) * p**4
            expected = expected + mean.T @ h**2 / len(self.ROWS)
            variance = variance + (fourth - mean**2).T @ h**4 / len(self.ROWS) ** 2 / draws
            often = often + draws * p[0]
        away = (found - expected).abs() / variance.sqrt()
        likely = often > 50
        assert likely.sum() >= 10
        assert float(away[likely].max()) < 5
        # The trace over the vocabulary has far less chance in it.
        torch.testing.assert_close(found.sum(0).double(), expected.sum(0), rtol=0.02, atol=0)

    def test_of_several_tokens_in_the_mean(self, monkeypatch):
        """Targets are drawn apart, so nothing is added but each token's own part."""
        held, draws = self.held(), 600
        monkeypatch.setattr(room, "_TOGETHER", 200)
        some = [one for one in self.LONG for _ in range(draws)]
        found = fisher(parts(held, microbatch_tokens=4096), some, "model")["lm_head.weight"]
        total, units = 0, 0
        for _, example in self.LONG:
            h, p, wanted = self.states(held, example)
            total = total + (p * (1 - p)).T @ h**2
            units += len(wanted)
        torch.testing.assert_close(found.sum(0).double(), total.sum(0) / units, rtol=0.03, atol=0)


def test_a_fisher_that_is_not_finite_is_refused():
    held = model("llama", LORA)
    name, parameter = next(held.trainable())
    with torch.no_grad():
        parameter.fill_(float("inf"))
    with pytest.raises(RetentionError) as caught:
        fisher(parts(held), drawn(a=2), "data")
    assert str(caught.value) == (
        f"stage together: the Fisher information of {name} is not finite, so EWC cannot hold on "
        "to it; lower optimiser.learning_rate, or leave `ewc` out"
    )
    with pytest.raises(RetentionError, match="is not finite"):
        fisher(parts(held), drawn(a=2), "model")
