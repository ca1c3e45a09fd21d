"""Reward models as transformers and peft load them: the same rewards as ours."""

import warnings
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from peft import AutoPeftModelForSequenceClassification
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from madrigal.errors import ModelError
from madrigal.evaluation.rewards import rewards
from madrigal.model.adapter import add_adapter, add_private
from madrigal.model.fold import fold
from madrigal.model.score import add_reward_heads
from madrigal.model.score_files import padding, read_scores, refuse_unclassified, save_reward
from madrigal.pipeline.save import save
from madrigal.recipe.model import FullAdapter, LoraAdapter, PrivatePart
from tiny import CONTEXT, LORA, SHAPES, WIDE, examples, network, private_model, tokenizer

END = 0
HEADED = LoraAdapter(rank=3, alpha=6.0, targets=("q_proj", "lm_head"))
PRIVATE = LoraAdapter(rank=3, alpha=6.0, private=PrivatePart(rank=2, head=True, tasks=("lora_x",)))
ALONE = PRIVATE.model_copy(update={"layers": "none"})
KINDS = {
    "llama": ("llama", {}), "qwen2": ("qwen2", WIDE),
    "tied": ("llama", {"tie_word_embeddings": True}), "gpt2": ("gpt2", SHAPES["gpt2"]),
}  # fmt: skip


def scored(folder, kind, adapter, heads=1, tasks=("lora_x", "y")):
    """A language model whose base lies in the folder, everything on it random."""
    name, changes = KINDS[kind]
    base = network(name, **changes)
    base.save_pretrained(folder / "base")
    base = AutoModelForCausalLM.from_pretrained(folder / "base")
    held = private_model(PRIVATE, ())
    adapted = add_adapter(base, adapter, 0)
    private = None
    if isinstance(adapter, LoraAdapter):
        private = add_private(adapted, adapter, tasks, 0)
    torch.manual_seed(2)
    for parameter in adapted.parameters():
        if parameter.requires_grad and adapter != FullAdapter():
            torch.nn.init.normal_(parameter, std=0.1)
    held = replace(held, network=adapted.eval(), private=private)
    add_reward_heads(held.causal, dict.fromkeys(tasks, heads), 1)
    return held


def ours(held, task, some):
    with torch.no_grad(), held.routed(task):
        return torch.tensor([float(x) for one in rewards(held, task, some, 200) for x in one])


def theirs(network, some):
    rows = [torch.from_numpy(row.tokens)[None] for one in some for row in one]
    with torch.no_grad():
        return torch.cat([network.eval()(input_ids=row).logits[:, 0] for row in rows])


def loaded(folder):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`")
        warnings.filterwarnings("ignore", message="fan_in_fan_out")
        if (folder / "adapter_config.json").exists():
            return AutoPeftModelForSequenceClassification.from_pretrained(folder, num_labels=1)
        network, told = AutoModelForSequenceClassification.from_pretrained(
            folder, output_loading_info=True
        )
        assert not told["missing_keys"]
        assert not told["unexpected_keys"]
        return network


@pytest.mark.filterwarnings("ignore:Setting .save_embedding_layers")  # peft, of an adapted head
@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize(
    ("kind", "adapter"),
    [
        *((kind, FullAdapter()) for kind in KINDS), *((kind, LORA) for kind in KINDS),
        ("llama", HEADED), ("llama", PRIVATE), ("qwen2", ALONE),
    ],
)  # fmt: skip
def test_the_same_rewards(tmp_path, kind, adapter, heads):
    held, some = scored(tmp_path, kind, adapter, heads), examples(6)
    refuse_unclassified(held)
    save(tmp_path, held, END)
    for task in ("lora_x", "y"):
        found = theirs(loaded(tmp_path / "reward" / task), some)
        torch.testing.assert_close(found, ours(held, task, some), rtol=0, atol=1e-4)
    assert float(found.std()) > 0.01
    kept = read_scores(tmp_path / "reward")
    assert torch.equal(kept["y"], held.reward_head("y").weight[:1])
    for file in [*tmp_path.glob("model/*.safetensors"), *tmp_path.glob("adapter/*.safetensors")]:
        assert not [name for name in load_file(file) if "reward_heads" in name]


def test_adapters_of_earlier_stages_are_in_it(tmp_path):
    held, some = scored(tmp_path, "llama", LORA, tasks=("y",)), examples(4)
    fold(held, 3)
    for name, parameter in held.trainable():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    save(tmp_path, held, END)
    found = theirs(loaded(tmp_path / "reward" / "y"), some)
    torch.testing.assert_close(found, ours(held, "y", some), rtol=0, atol=1e-4)


def test_padded_answers_are_read_at_their_end_or_refused(tmp_path):
    held, some = scored(tmp_path, "llama", FullAdapter(), tasks=("y",)), examples(2)
    rows = [torch.from_numpy(row.tokens) for one in some for row in one]
    save_reward(held, "y", tmp_path / "none", END)
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=END)
    with pytest.raises(ValueError, match="no padding token"):
        loaded(tmp_path / "none")(input_ids=padded)
    end = int(rows[0][-1])
    assert padding(tokenizer(), end) == END != end
    save_reward(held, "y", tmp_path / "some", end)
    found = loaded(tmp_path / "some").eval()(input_ids=padded).logits[:, 0]
    torch.testing.assert_close(found, ours(held, "y", some), rtol=0, atol=1e-4)


def test_what_pads_never_ends_an_answer():
    def known(pad, unknown, *special):
        return SimpleNamespace(pad_token_id=pad, unk_token_id=unknown, all_special_ids=special)

    assert padding(known(5, None, 3, 5), 3) == 5
    assert padding(known(3, 7, 3), 3) == 7
    assert padding(known(3, None, 3, 1), 3) == 1
    assert padding(known(None, None, 3), 3) is None


def test_what_cannot_be_written_is_refused_before_training(tmp_path):
    config = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT, "rotary_dim": 4}
    held = replace(private_model(PRIVATE, ()), network=network("codegen", **config), private=None)
    refuse_unclassified(held)  # nothing is scored
    add_reward_heads(held.causal, {"y": 1}, 0)
    with pytest.raises(ModelError) as caught:
        refuse_unclassified(held)
    assert caught.value.args[0] == (
        "model.base: transformers has no codegen model for sequence classification, so the reward "
        "model of 'y' could not be written; choose another base"
    )
    table = LoraAdapter(rank=2, targets=("embed_tokens",))
    held = scored(tmp_path, "llama", table, tasks=("y",))
    with pytest.raises(ModelError, match=r"targets: they name an embedding, .* of 'y'"):
        refuse_unclassified(held)


def test_a_folder_without_a_head_is_damaged(tmp_path):
    (tmp_path / "y").mkdir()
    with pytest.raises(ModelError, match=r"y: no score.weight; the reward model is damaged"):
        read_scores(tmp_path)
