"""Load a model: bundled, a folder, a hub id, or fresh weights; then put its adapter on."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from madrigal.errors import ModelError
from madrigal.model.adapter import add_adapter, add_private
from madrigal.model.base import load_tokenizer, model_context, resolve_base, unloadable
from madrigal.model.dropout import set_dropout
from madrigal.model.host import choose_device, has_fast_bfloat16
from madrigal.model.language_model import LanguageModel
from madrigal.model.private import PrivateParts
from madrigal.model.score import add_reward_heads
from madrigal.model.shards import share_out_blocks
from madrigal.recipe.model import LoraAdapter, ModelSettings


def _fresh_network(settings: ModelSettings, tokenizer: Any, seed: int) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    new = settings.new
    assert new is not None
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=new.width,
        intermediate_size=new.mlp,
        num_hidden_layers=new.layers,
        num_attention_heads=new.heads,
        num_key_value_heads=new.key_value_heads,
        max_position_embeddings=new.context,
        attention_dropout=new.dropout,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(seed)
    return LlamaForCausalLM(config)


def _load_network(settings: ModelSettings, root: Path) -> Any:
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    source = resolve_base(settings.base, root)
    # A download is worth a bar; reading a folder flickers through one for nothing.
    silent = Path(source).is_dir() and logging.is_progress_bar_enabled()
    if silent:
        logging.disable_progress_bar()
    try:
        return AutoModelForCausalLM.from_pretrained(
            source,
            revision=settings.revision,
            trust_remote_code=settings.trust_remote_code,
            dtype=torch.float32,
            use_safetensors=True,
        )
    except (OSError, ValueError, KeyError) as problem:
        raise ModelError(unloadable(settings.base, problem)) from problem
    finally:
        if silent:
            logging.enable_progress_bar()


def training_precision(settings: ModelSettings, device: torch.device) -> torch.dtype:
    """The number format of matrix products in training."""
    if settings.precision == "bfloat16" or (
        settings.precision == "auto" and has_fast_bfloat16(device)
    ):
        return torch.bfloat16
    return torch.float32


def recompute(network: Any, private: PrivateParts | None) -> None:
    """Gradient checkpointing; what is computed again knows whose rows it works on."""
    how: dict[str, Any] = {"use_reentrant": False}
    if private is not None:
        how["context_fn"] = private.routing.kept
    with warnings.catch_warnings():
        # Newer versions of transformers have another name for it.
        warnings.filterwarnings("ignore", message="`gradient_checkpointing_enable`")
        network.gradient_checkpointing_enable(how)
    network.enable_input_require_grads()


def load_model(
    settings: ModelSettings,
    root: Path,
    seed: int,
    tokenizer: Any | None = None,
    tasks: Sequence[str] = (),
    heads: Mapping[str, int] | None = None,
) -> LanguageModel:
    """The model of a recipe on this process's device, adapter on. `new` needs a tokenizer.

    Of `tasks` those that the settings name get a private part. `heads` are the scores that each
    task's reward head gives; tasks without one are left out.
    """
    if settings.base == "new":
        assert tokenizer is not None, "a fresh model needs its tokenizer made first"
        network = _fresh_network(settings, tokenizer, seed)
    else:
        tokenizer = tokenizer if tokenizer is not None else load_tokenizer(settings, root)
        network = _load_network(settings, root)
    if settings.dropout is not None:
        set_dropout(network, settings.dropout)
    device = choose_device()
    precision = training_precision(settings, device)
    if device.type == "cpu" and precision == torch.bfloat16:
        from madrigal.model.attention import use_for_short_rows

        use_for_short_rows(network)
    causal, network = network, add_adapter(network, settings.adapter, seed)
    private = None
    if isinstance(settings.adapter, LoraAdapter):
        private = add_private(network, settings.adapter, tasks, seed)
    # After the adapter, which would adapt them too, or freeze them.
    add_reward_heads(causal, heads or {}, seed)
    if settings.gradient_checkpointing:
        recompute(causal, private)
    shards = share_out_blocks(causal, device) if settings.shard else None
    return LanguageModel(
        network=network.to(device).eval(),  # fresh weights and adapters arrive in training mode
        tokenizer=tokenizer,
        device=device,
        context=model_context(settings, root),
        name=settings.base,
        precision=precision,
        private=private,
        shards=shards,
    )
