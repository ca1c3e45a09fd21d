"""O-LoRA: overlap of adapters against autograd, and adapters laid into the base."""

import copy
import math
import warnings

import pytest
import torch
from peft import PeftModel

from madrigal.errors import ModelError
from madrigal.model.adapter_files import save_task_adapter
from madrigal.model.fold import Adapted, adapted, begun_afresh, fold, refuse_unfolded
from madrigal.recipe.model import LoraAdapter
from madrigal.retention import Overlap
from madrigal.training.step import compute_gradient
from tiny import LORA, VOCABULARY, drawn, gradients, model, network, parts

IDS = torch.randint(1, VOCABULARY, (2, 15), generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def logits(held):
    return held.network(input_ids=IDS).logits


def shake(held, seed=3):
    """As if a stage had been trained."""
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _, parameter in held.trainable():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=chance))


def layer(seed, rank=3, inputs=8, before=5):
    chance = torch.Generator().manual_seed(seed)
    now = torch.nn.Parameter(torch.randn(rank, inputs, generator=chance))
    now.grad = torch.zeros_like(now)
    return Adapted(now, torch.randn(before, inputs, generator=chance))


class TestOverlap:
    @pytest.mark.parametrize("strength", [0.5, 2.0])
    def test_is_the_written_formula(self, strength):
        held = [layer(seed) for seed in range(3)]
        loss = strength * sum(
            (past[None] @ one.now.T).square().sum() for one in held for past in one.before
        )
        expected = torch.autograd.grad(loss, [one.now for one in held])
        term = Overlap(held, strength)
        assert term.add_gradient({}) == pytest.approx(loss.item(), rel=1e-5)
        for one, gradient in zip(held, expected, strict=True):
            torch.testing.assert_close(one.now.grad, gradient)

    def test_is_nothing_for_orthogonal_rows(self):
        basis = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(1))).Q
        now = torch.nn.Parameter(basis[:3].clone())
        now.grad = torch.zeros_like(now)
        term = Overlap([Adapted(now, 5 * basis[3:])], 1.0)
        assert term.add_gradient({}) == pytest.approx(0, abs=1e-10)
        assert float(now.grad.abs().max()) < 1e-5
        parallel = Overlap([Adapted(now, basis[:1])], 1.0)
        assert parallel.add_gradient({}) == pytest.approx(1, rel=1e-5)

    def test_descent_makes_rows_orthogonal(self):
        held = layer(4, rank=2, before=3)
        term = Overlap([held], 0.5)
        for _ in range(1000):
            held.now.grad.zero_()
            value = term.add_gradient({})
            with torch.no_grad():
                held.now.sub_(0.01 * held.now.grad)
        assert value < 1e-6
        assert held.now.norm().item() > 0.1

    def test_says_nothing_without_strength_or_gradient(self):
        held = layer(0)
        assert Overlap([held], 0.0).add_gradient({}) is None
        assert Overlap([], 1.0).add_gradient({}) is None
        assert not held.now.grad.any()
        held.now.grad = None
        assert not Overlap([held], 1.0).add_gradient({})
        assert held.now.grad is None

    @pytest.mark.parametrize("limit", [1, 40, 4096])
    def test_does_not_depend_on_accumulation(self, limit):
        held = model("llama", LORA)
        fold(held, 1)
        layers = adapted(held)
        assert len(layers) == 14
        some = drawn(a=4, b=2)
        compute_gradient(parts(held, terms=(), microbatch_tokens=limit), 3, some)
        plain = gradients(held)
        held.network.zero_grad(set_to_none=True)
        terms = (Overlap(layers, 0.5),)
        got = compute_gradient(parts(held, terms=terms, microbatch_tokens=limit), 3, some)
        ours = gradients(held)
        crossed = [(one.now @ one.before.T).detach() for one in layers]
        expected = 0.5 * sum(float(one.square().sum()) for one in crossed)
        assert got.terms == {"o_lora": pytest.approx(expected, rel=1e-5)}
        assert expected > 0.01
        names = {id(p): name for name, p in held.trainable()}
        for one, overlap in zip(layers, crossed, strict=True):
            name = names[id(one.now)]
            added = overlap @ one.before
            torch.testing.assert_close(ours[name] - plain[name], added, rtol=1e-3, atol=1e-5)


class TestFold:
    @pytest.mark.parametrize("kind", ["llama", "gpt2"])
    @pytest.mark.parametrize("times", [1, 3])
    def test_the_function_stays(self, kind, times):
        held = model(kind, LORA)
        for number in range(times):
            shake(held, number)
            before = logits(held)
            fold(held, number)
            assert not torch.equal(before, logits(model(kind, LORA)))
            torch.testing.assert_close(logits(held), before, rtol=1e-4, atol=1e-5)
        assert all(len(some) == times for some in held.folded.values())
        for one in adapted(held):
            assert one.before.shape[0] == times * LORA.rank

    def test_a_fresh_adapter_is_as_peft_begins_it(self):
        held = model("llama", LORA)
        fold(held, 1)
        for name, parameter in held.trainable():
            values = parameter.detach()
            if "lora_B" in name:
                assert not values.any()
            else:
                bound = 1 / math.sqrt(values.shape[1])
                assert 0.8 * bound < float(values.abs().max()) <= bound
                assert abs(float(values.mean())) < 0.3 * bound

    def test_chance_is_the_seeds(self):
        found = []
        for seed in (1, 1, 2):
            held = model("llama", LORA)
            torch.manual_seed(len(found))
            fold(held, seed)
            found.append(torch.cat([p.flatten() for _, p in held.trainable()]))
        assert torch.equal(found[0], found[1])
        assert not torch.equal(found[0], found[2])

    @pytest.mark.parametrize("kind", ["llama", "gpt2"])
    def test_only_what_follows_is_trained(self, kind):
        held = model(kind, LORA)
        fold(held, 1)
        frozen = {n: p.clone() for n, p in held.network.named_parameters() if not p.requires_grad}
        past = copy.deepcopy(held.folded)
        compute_gradient(parts(held), 3, drawn(a=2, b=2))
        with torch.no_grad():
            for _, parameter in held.trainable():
                parameter -= 0.1 * parameter.grad
        for name, parameter in held.network.named_parameters():
            if name in frozen:
                assert torch.equal(parameter, frozen[name])
        for name, some in held.folded.items():
            for one, two in zip(some, past[name], strict=True):
                assert torch.equal(one.a, two.a)
                assert torch.equal(one.b, two.b)

    @pytest.mark.parametrize("kind", ["llama", "gpt2"])
    def test_the_file_is_all_that_was_learnt(self, kind, tmp_path):
        """Loaded by peft alone over the base as it was."""
        held = model(kind, LORA)
        for number in range(2):
            fold(held, number)
            shake(held, number)
        save_task_adapter(held, "", tmp_path)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`")  # peft's own
            theirs = PeftModel.from_pretrained(network(kind), tmp_path)
        assert theirs.peft_config["default"].r == 3 * LORA.rank
        with torch.no_grad():
            found = theirs.eval()(input_ids=IDS).logits
        torch.testing.assert_close(found, logits(held), rtol=1e-4, atol=1e-5)
        assert (found - network(kind)(input_ids=IDS).logits).abs().max() > 0.05

    @pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`")
    def test_a_head_that_is_the_embedding_again_parts_from_it(self):
        adapter = LoraAdapter(rank=3, alpha=6.0, targets=("lm_head", "q_proj"))
        held = model("llama", adapter, tie_word_embeddings=True)
        table = held.causal.get_input_embeddings().weight.clone()
        before = logits(held)
        fold(held, 1)
        torch.testing.assert_close(logits(held), before, rtol=1e-4, atol=1e-5)
        assert torch.equal(held.causal.get_input_embeddings().weight, table)


class TestRefused:
    def test_a_table(self):
        held = model("llama", LoraAdapter(rank=3, targets=("embed_tokens", "q_proj")))
        with pytest.raises(ModelError) as caught:
            refuse_unfolded(held)
        assert str(caught.value) == (
            "o_lora: model.adapter.targets: base_model.model.model.embed_tokens.lora_embedding_A."
            "default is not on a linear layer, and only these can take an adapter in; name other "
            "`targets`"
        )

    def test_no_adapter(self):
        text = "o_lora: the model has no shared LoRA adapter; write `adapter: lora`"
        with pytest.raises(ModelError) as caught:
            fold(model(), 1)
        assert str(caught.value) == text


def test_a_later_stages_adapter_is_lent_and_given_back():
    """The Fisher information on it is that of the model that the stage begins with."""
    held, folded = (model(adapter=LoraAdapter(rank=3)) for _ in range(2))
    for one in (held, folded):
        shake(one)
    before = {name: p.detach().clone() for name, p in held.network.named_parameters()}
    fold(folded, 5)
    with begun_afresh(held, 5):
        lent = {name: p.detach().clone() for name, p in held.trainable()}
        assert held.folded.keys() == folded.folded.keys()
    assert not held.folded
    for name, there in folded.trainable():
        assert torch.equal(lent[name], there)
    after = dict(held.network.named_parameters())
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
