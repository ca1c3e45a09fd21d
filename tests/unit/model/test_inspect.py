"""Sizes read off headers are those of the loaded model."""

import pytest
import torch

import tiny
from madrigal.errors import ModelError
from madrigal.model.inspect import Size, model_size
from madrigal.model.load import load_model
from madrigal.recipe.model import ModelSettings

NEW = {
    "vocabulary": 300, "width": 32, "layers": 2, "heads": 4, "key_value_heads": 2, "mlp": 48,
    "context": 64,
}  # fmt: skip


@pytest.mark.parametrize("adapter", ["full", {"kind": "lora", "rank": 3}])
@pytest.mark.parametrize("kind", ["llama", "gpt_neo"])
def test_of_a_folder(tmp_path, kind, adapter):
    held = tiny.model(kind)
    held.network.save_pretrained(tmp_path / "base")
    held.tokenizer.save_pretrained(tmp_path / "base")
    settings = ModelSettings.model_validate({"base": "base", "adapter": adapter})
    size = model_size(settings, tmp_path)
    every, trainable = load_model(settings, tmp_path, 0).parameter_counts()
    assert (size.parameters, size.trainable) == (every, trainable)


def test_of_a_fresh_model(tmp_path):
    settings = ModelSettings.model_validate({"base": "new", "new": NEW, "adapter": "full"})
    size = model_size(settings, tmp_path)
    held = load_model(settings, tmp_path, 0, tiny.tokenizer())
    assert (size.parameters, size.trainable) == held.parameter_counts()


def test_of_a_model_that_is_not_here(tmp_path):
    assert model_size(ModelSettings(base="owner/name"), tmp_path) is None


def test_operations_a_token():
    assert Size(100, 100, 80).flops_per_token() == 6 * 80
    assert Size(110, 10, 80).flops_per_token() == 4 * 80 + 6 * 10


def test_operations_against_torchs_own_counter():
    """Of the matrix products that the estimate speaks of, without the head and attention."""
    from torch.utils.flop_counter import FlopCounterMode

    held = tiny.model()
    inner = (m for m in held.causal.model.modules() if isinstance(m, torch.nn.Linear))
    linear = sum(m.weight.numel() for m in inner)
    tokens = torch.arange(1, 33)[None]
    with FlopCounterMode(display=False) as counter:
        held.states(tokens)
    counted = counter.get_flop_counts()["Global"][torch.ops.aten.mm]
    assert counted == 2 * linear * 32


LAYERS = (
    "'down_proj', 'embed_tokens', 'gate_proj', 'k_proj', "
    "'lm_head', 'o_proj', 'q_proj', 'up_proj', 'v_proj'"
)
NOPE = f"model.adapter.targets: the model has no layer 'nope' to adapt; known: {LAYERS}"
QPROJ = (
    "model.adapter.targets: the model has no layer 'qproj' to adapt; "
    f"did you mean 'q_proj'? known: {LAYERS}"
)


def adapted(base, *targets):
    keys = {"base": base, "adapter": {"kind": "lora", "targets": list(targets)}}
    return ModelSettings.model_validate(keys | ({"new": NEW} if base == "new" else {}))


@pytest.mark.parametrize("base", ["base", "new"])
def test_targets_that_no_layer_has_are_refused_as_when_loading(tmp_path, base):
    held = tiny.model(tie_word_embeddings=True)
    held.network.save_pretrained(tmp_path / "base")
    held.tokenizer.save_pretrained(tmp_path / "base")
    settings = adapted(base, "nope", "q_proj", "qproj")
    for look in (
        lambda: model_size(settings, tmp_path),
        lambda: load_model(settings, tmp_path, 0, tiny.tokenizer()),
    ):
        with pytest.raises(ModelError) as refused:
            look()
        assert refused.value.mistakes == (NOPE, QPROJ)


@pytest.mark.parametrize("base", ["base", "new"])
@pytest.mark.parametrize("target", ["v_proj", "self_attn.v_proj", "model.layers.1.mlp.up_proj"])
def test_targets_may_be_any_last_parts_of_a_name(tmp_path, base, target):
    held = tiny.model()
    held.network.save_pretrained(tmp_path / "base")
    held.tokenizer.save_pretrained(tmp_path / "base")
    settings = adapted(base, target)
    size = model_size(settings, tmp_path)
    loaded = load_model(settings, tmp_path, 0, tiny.tokenizer())
    assert (size.parameters, size.trainable) == loaded.parameter_counts()
