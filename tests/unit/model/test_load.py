"""Loading: fresh, from a folder, with an adapter."""

from pathlib import Path

import pytest
import torch

import tiny
from madrigal.errors import ModelError
from madrigal.model.base import DEFAULT_CONTEXT, fresh_tokenizer, model_context, resolve_base
from madrigal.model.dropout import set_dropout
from madrigal.model.load import add_adapter, load_model, training_precision
from madrigal.recipe.model import LoraAdapter, ModelSettings, NewModel

HERE = Path(".")
SHAPE = NewModel(
    vocabulary=300, width=32, layers=2, heads=4, key_value_heads=2, mlp=48, context=64, dropout=0.1
)
NEW = ModelSettings.model_validate(
    {"base": "new", "new": SHAPE.model_dump(), "adapter": "full", "precision": "float32"}
)


@pytest.fixture
def folder(tmp_path):
    held = tiny.model()
    held.network.save_pretrained(tmp_path / "base")
    held.tokenizer.save_pretrained(tmp_path / "base")
    return tmp_path


def settings(**keys):
    return ModelSettings.model_validate({"base": "base", "precision": "float32", **keys})


class TestFresh:
    def test_has_the_shape_asked_for(self):
        held = load_model(NEW, HERE, 0, tiny.tokenizer())
        config = held.causal.config
        assert (config.hidden_size, config.num_hidden_layers, config.vocab_size) == (32, 2, 300)
        assert (config.num_attention_heads, config.num_key_value_heads) == (4, 2)
        assert (config.intermediate_size, config.attention_dropout, held.context) == (48, 0.1, 64)
        assert held.causal.lm_head.weight is held.causal.model.embed_tokens.weight
        every, trained = held.parameter_counts()
        assert every == trained == sum(p.numel() for p in held.network.parameters())
        assert not held.network.training

    def test_weights_follow_the_seed_alone(self):
        def weights(seed):
            torch.rand(7)  # whatever was drawn before
            held = load_model(NEW, HERE, seed, tiny.tokenizer())
            return torch.cat([p.detach().reshape(-1) for p in held.network.parameters()])

        assert torch.equal(weights(5), weights(5))
        assert not torch.equal(weights(5), weights(6))

    def test_tokenizer_reads_back_any_text_and_ends_it(self):
        made = fresh_tokenizer(iter(tiny.TEXTS), NEW)
        assert len(made) == 300
        for text in ("the choir sings", " a  b\n\tc ", "naïve ☃ 合唱 \x07"):
            assert made.decode(made(text).input_ids) == text
        assert made.eos_token == made.pad_token == made.bos_token == "<|end|>"
        assert made.decode(made("<|end|>").input_ids) == "<|end|>"

    def test_tokenizer_is_the_same_each_time(self):
        one, two = (fresh_tokenizer(iter(tiny.TEXTS * 3), NEW) for _ in range(2))
        assert one.backend_tokenizer.to_str() == two.backend_tokenizer.to_str()


class TestFolder:
    def test_is_found_beside_the_recipe(self, folder):
        assert resolve_base("base", folder) == str(folder / "base")
        assert resolve_base("owner/name", folder) == "owner/name"
        with pytest.raises(ModelError, match=r"no folder './nowhere'"):
            resolve_base("./nowhere", folder)
        with pytest.raises(ModelError, match="give a folder, a hub id"):
            resolve_base("nowhere", folder)

    def test_half_precision_weights_are_held_in_float32(self, folder):
        tiny.model().network.to(torch.bfloat16).save_pretrained(folder / "base")
        held = load_model(settings(adapter="full"), folder, 0)
        assert {p.dtype for p in held.network.parameters()} == {torch.float32}

    def test_context(self, folder):
        assert model_context(settings(), folder) == tiny.CONTEXT < DEFAULT_CONTEXT
        assert model_context(settings(context=20), folder) == 20
        with pytest.raises(ModelError) as said:
            model_context(settings(context=65), folder)
        assert str(said.value) == (
            "model.context: 65 is more than the model's 64 positions; give at most 64"
        )


class TestAdapter:
    def test_trains_only_itself_and_changes_nothing_at_first(self, folder):
        plain = load_model(settings(adapter="full"), folder, 0)
        held = load_model(settings(adapter={"kind": "lora", "rank": 2}), folder, 0)
        assert all("lora_" in name for name, _ in held.trainable())
        every, trained = held.parameter_counts()
        assert 0 < trained < every / 2
        tokens = torch.arange(1, 9)[None]
        with torch.no_grad():
            ours, theirs = (m.network(input_ids=tokens).logits for m in (held, plain))
        torch.testing.assert_close(ours, theirs)
        assert held.causal.config.model_type == "llama"

    def test_alpha_left_out_is_twice_the_rank(self):
        network = add_adapter(tiny.network(), LoraAdapter(rank=3), 0)
        assert network.peft_config["default"].lora_alpha == 6

    def test_named_targets(self):
        network = add_adapter(tiny.network(), LoraAdapter(rank=2, targets=("q_proj", "v_proj")), 0)
        names = {n.split(".")[-4] for n, p in network.named_parameters() if p.requires_grad}
        assert names == {"q_proj", "v_proj"}

    def test_targets_that_are_not_there(self):
        with pytest.raises(ModelError, match=r"^model\.adapter\.targets: .*nowhere"):
            add_adapter(tiny.network(), LoraAdapter(targets=("nowhere",)), 0)

    def test_initial_values_follow_the_seed(self):
        def first(seed):
            network = add_adapter(tiny.network(), LoraAdapter(rank=2), seed)
            return next(p for n, p in network.named_parameters() if "lora_A" in n)

        assert torch.equal(first(1), first(1))
        assert not torch.equal(first(1), first(2))


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gpt_neo"])
def test_dropout_is_set_everywhere_and_felt(kind):
    held = tiny.model(kind)
    tokens = torch.arange(1, 21)[None]

    def states():
        with torch.no_grad():
            return held.states(tokens)

    held.network.train()
    assert torch.equal(states(), states())
    set_dropout(held.network, 0.5)
    assert not torch.equal(states(), states())
    held.network.eval()
    assert torch.equal(states(), states())


def test_dropout_of_a_model_that_has_none_is_refused(monkeypatch):
    network = tiny.network("llama")
    monkeypatch.setattr("madrigal.model.dropout._NAMES", ("hidden_dropout",))
    with pytest.raises(ModelError, match=r"^model\.dropout: llama models have no dropout"):
        set_dropout(network, 0.1)


def test_precision_follows_the_recipe_then_the_hardware(monkeypatch):
    cpu = torch.device("cpu")
    for fast, auto in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr("madrigal.model.load.has_fast_bfloat16", lambda _, fast=fast: fast)
        assert training_precision(ModelSettings(), cpu) == auto
        assert training_precision(ModelSettings(precision="float32"), cpu) == torch.float32
        assert training_precision(ModelSettings(precision="bfloat16"), cpu) == torch.bfloat16
