"""Every architecture of transformers that is tried trains and is read as the plain model is."""

from dataclasses import replace

import pytest
import torch
from peft import AutoPeftModelForSequenceClassification
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from madrigal.errors import ModelError
from madrigal.evaluation.rewards import rewards
from madrigal.model.adapter import add_adapter
from madrigal.model.attention import use_for_short_rows
from madrigal.model.score import add_reward_heads
from madrigal.model.score_files import refuse_unclassified, save_reward
from madrigal.recipe.model import FullAdapter
from madrigal.training.step import compute_gradient
from tiny import (
    CONTEXT,
    LORA,
    WIDE,
    drawn,
    examples,
    gradients,
    model,
    network,
    parts,
    row,
)

# By what they do differently: positions, norms, scaling of the logits, experts, tied heads.
ARCHITECTURES = {
    "llama": {}, "gpt2": {}, "gpt_neo": {},
    "mistral": WIDE | {"sliding_window": 8},
    "qwen2": WIDE,
    "qwen3": WIDE | {"head_dim": 8},
    "gemma2": WIDE | {"head_dim": 8, "final_logit_softcapping": 5.0, "sliding_window": 8},
    "phi3": WIDE,
    "granite": WIDE | {"logits_scaling": 3.0},
    "cohere": WIDE | {"logit_scale": 0.3},
    "olmo2": WIDE,
    "smollm3": WIDE,
    "gpt_neox": {k: v for k, v in WIDE.items() if k != "num_key_value_heads"},
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
    "opt": {
        "hidden_size": 32, "ffn_dim": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "max_position_embeddings": CONTEXT, "word_embed_proj_dim": 16, "dropout": 0.0,
    },
}  # fmt: skip


@pytest.mark.parametrize("adapter", [None, LORA], ids=["full", "lora"])
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_padding_is_unseen_and_everything_trained_gets_a_gradient(kind, adapter):
    held = model(kind, adapter, **ARCHITECTURES[kind])
    alone, padded = [
        (
            compute_gradient(parts(held, microbatch_tokens=limit), 0, drawn(a=3, b=3)),
            gradients(held),
        )
        for limit in (1, 1 << 20)
        if held.network.zero_grad(set_to_none=True) is None
    ]
    assert padded[0].padded_tokens > sum(padded[0].tokens.values())
    assert padded[0].loss == pytest.approx(alone[0].loss, rel=1e-4)
    names = {name for name, _ in held.trainable()}
    assert alone[1].keys() == names
    for name in names:
        torch.testing.assert_close(alone[1][name], padded[1][name], rtol=1e-3, atol=1e-5, msg=name)
    assert all(torch.isfinite(gradient).all() for gradient in alone[1].values())
    still = [name for name, gradient in alone[1].items() if not gradient.any()]
    assert not still, f"{still} are trained and get no gradient"


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_log_probabilities_are_the_plain_models(kind):
    held = model(kind, **ARCHITECTURES[kind])
    one = torch.tensor(row(20, 5).tokens)[None]
    with torch.no_grad():
        plain = held.network(input_ids=one).logits[0, :-1].float().log_softmax(-1)
        states = held.states(one)[0, :-1]
        logps, means = held.logps(states, one[0, 1:], with_mean=True)
    torch.testing.assert_close(logps, plain.gather(1, one[0, 1:, None])[:, 0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(means, plain.mean(-1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("adapter", [None, LORA], ids=["full", "lora"])
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_bfloat16_with_its_own_attention_is_close(kind, adapter):
    """As `load_model` sets it up on a CPU that has bfloat16."""
    found = []
    for precision in (torch.float32, torch.bfloat16):
        held = model(kind, adapter, precision=precision, **ARCHITECTURES[kind])
        if precision == torch.bfloat16:
            use_for_short_rows(held.causal)
        step = compute_gradient(parts(held), 0, drawn(a=4, b=4))
        found.append((step.loss, torch.cat([g.reshape(-1) for g in gradients(held).values()])))
    (exact, ours), (rough, theirs) = found
    assert rough == pytest.approx(exact, rel=0.03)
    assert rough != exact
    assert torch.cosine_similarity(ours, theirs, dim=0) > 0.98
    assert float(ours.norm() / theirs.norm()) == pytest.approx(1, abs=0.05)


# Of which transformers has no model for sequence classification.
UNCLASSIFIED = {"granite", "cohere"}


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`", "ignore:fan_in_fan_out")
@pytest.mark.parametrize("adapter", [None, LORA], ids=["full", "lora"])
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_reward_model_is_loaded_by_transformers_and_peft_or_refused(kind, adapter, tmp_path):
    held, some = _scored(kind, adapter, tmp_path / "base"), examples(4)
    if kind in UNCLASSIFIED:
        said = f"no {kind} model for sequence classification, so the reward model of 'y' could not"
        with pytest.raises(ModelError, match=said):
            refuse_unclassified(held)
        return
    refuse_unclassified(held)
    save_reward(held, "y", tmp_path / "y", 0)
    auto = AutoModelForSequenceClassification
    if adapter is not None:
        auto = AutoPeftModelForSequenceClassification
    loaded = auto.from_pretrained(tmp_path / "y", num_labels=1).eval()
    with torch.no_grad():
        ours = [float(x) for one in rewards(held, "y", some, 200) for x in one]
        rows = [torch.from_numpy(one.tokens)[None] for example in some for one in example]
        theirs = [loaded(input_ids=tokens).logits[0, 0].item() for tokens in rows]
    assert ours == pytest.approx(theirs, abs=1e-4)
    assert len(set(ours)) == len(ours)


def _scored(kind, adapter, folder):
    """A model with a head for task y, on a base that lies in the folder."""
    network(kind, **ARCHITECTURES[kind]).save_pretrained(folder)
    held = add_adapter(AutoModelForCausalLM.from_pretrained(folder), adapter or FullAdapter(), 0)
    for name, parameter in held.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    held = replace(model(kind, **ARCHITECTURES[kind]), network=held.eval())
    add_reward_heads(held.causal, {"y": 1}, 1)
    return held
