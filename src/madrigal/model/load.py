"""Load a model: bundled, a folder, a hub id, or fresh weights; then put its adapter on."""

import json
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from madrigal.errors import ModelError
from madrigal.model.host import choose_device, has_fast_bfloat16
from madrigal.model.language_model import LanguageModel
from madrigal.recipe.model import FullAdapter, LoraAdapter, ModelSettings

BUNDLED = {"madrigal/base-xs": Path(__file__).parent / "base_xs"}
DEFAULT_CONTEXT = 1024
_PICKLED = (".bin", ".pt", ".pth", ".ckpt")


def resolve_base(base: str, root: Path) -> str:
    """A folder where there is one (bundled, beside the recipe, as it stands), else the hub id."""
    if base in BUNDLED:
        return str(BUNDLED[base])
    for folder in (root / base, Path(base).expanduser()):
        if folder.is_dir():
            return str(folder)
    if base.startswith((".", "/", "~")) or base.count("/") != 1:
        raise ModelError(
            f"model.base: no folder '{base}'; give a folder, a hub id owner/name, "
            "or madrigal/base-xs"
        )
    return base


def _check_folder(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    if "config.json" not in names:
        raise ModelError(f"{folder}: no config.json; this is not a transformers model folder")
    if not any(name.endswith(".safetensors") for name in names):
        pickled = sorted(name for name in names if name.endswith(_PICKLED))
        found = (
            f"found pickled {pickled[0]}, which could run code; convert it"
            if pickled
            else "save it"
        )
        raise ModelError(f"{folder}: no *.safetensors weights; {found} with save_pretrained")
    if not names & {"tokenizer.json", "tokenizer.model", "vocab.json"}:
        raise ModelError(f"{folder}: no tokenizer.json; copy the model's tokenizer files beside it")


def load_tokenizer(settings: ModelSettings, root: Path) -> Any:
    """The tokenizer of a model that is not new."""
    source = resolve_base(settings.base, root)
    if settings.base in BUNDLED:
        # The Auto classes import torch's compiler, which takes longer than all else in a check.
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast.from_pretrained(source)
    from transformers import AutoTokenizer

    if Path(source).is_dir():
        _check_folder(Path(source))
    try:
        return AutoTokenizer.from_pretrained(
            source, revision=settings.revision, trust_remote_code=settings.trust_remote_code
        )
    except (OSError, ValueError) as problem:
        raise ModelError(_unloadable(settings.base, problem)) from problem


def _unloadable(base: str, problem: Exception) -> str:
    reason = (
        str(problem).strip().splitlines()[0][:200] if str(problem).strip() else "no reason given"
    )
    return f"model.base: cannot load '{base}': {reason}; give a model folder or a reachable hub id"


def fresh_tokenizer(texts: Iterable[str], settings: ModelSettings) -> Any:
    """A byte-level BPE made from `texts`, with one token that ends (and pads) every text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    assert settings.new is not None
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    tokenizer.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    trainer = trainers.BpeTrainer(
        vocab_size=settings.new.vocabulary,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|end|>",
        bos_token="<|end|>",
        pad_token="<|end|>",
        model_max_length=settings.new.context,
        clean_up_tokenization_spaces=False,
    )


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
        raise ModelError(_unloadable(settings.base, problem)) from problem
    finally:
        if silent:
            logging.enable_progress_bar()


def add_adapter(network: Any, adapter: LoraAdapter | FullAdapter, seed: int) -> Any:
    """The network with only its adapter trainable, or with everything trainable."""
    if isinstance(adapter, FullAdapter):
        return network.requires_grad_(True)
    from peft import LoraConfig, get_peft_model

    from madrigal.model.lora import lighten

    targets = "all-linear" if adapter.targets == "all_linear" else list(adapter.targets)
    config = LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha if adapter.alpha is not None else 2 * adapter.rank,  # type: ignore[arg-type]
        lora_dropout=adapter.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(seed)  # the adapter's initial values
    try:
        with warnings.catch_warnings():
            # peft sees by itself that GPT-2 stores its weights transposed; and a name of
            # transformers that peft still uses has changed.
            warnings.filterwarnings("ignore", message="fan_in_fan_out is set to False")
            warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`")
            adapted = get_peft_model(network, config)
    except ValueError as problem:
        raise ModelError(f"model.adapter.targets: {str(problem).splitlines()[0]}") from problem
    lighten(adapted)
    return adapted


def model_context(settings: ModelSettings, root: Path) -> int:
    """Longest sequence in tokens: the recipe's, at most the model's own. Loads no weights."""
    if settings.base == "new":
        assert settings.new is not None
        own = settings.new.context
    else:
        own = _own_context(settings, root)
    if settings.context is None:
        return min(own, DEFAULT_CONTEXT)
    if settings.context > own:
        raise ModelError(
            f"model.context: {settings.context} is more than the model's {own} positions; "
            f"give at most {own}"
        )
    return settings.context


def _own_context(settings: ModelSettings, root: Path) -> int:
    if settings.base in BUNDLED:
        return json.loads((BUNDLED[settings.base] / "config.json").read_text("utf-8"))[
            "max_position_embeddings"
        ]
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(
            resolve_base(settings.base, root),
            revision=settings.revision,
            trust_remote_code=settings.trust_remote_code,
        )
    except (OSError, ValueError, KeyError) as problem:
        raise ModelError(_unloadable(settings.base, problem)) from problem
    return getattr(config, "max_position_embeddings", DEFAULT_CONTEXT)


def training_precision(settings: ModelSettings, device: torch.device) -> torch.dtype:
    """The number format of matrix products in training."""
    if settings.precision == "bfloat16" or (
        settings.precision == "auto" and has_fast_bfloat16(device)
    ):
        return torch.bfloat16
    return torch.float32


# What architectures of transformers call their dropout probabilities.
_DROPOUTS = (
    "attention_dropout", "hidden_dropout", "resid_dropout", "embed_dropout", "dropout",
    "resid_pdrop", "embd_pdrop", "attn_pdrop",
    "hidden_dropout_prob", "attention_probs_dropout_prob",
)  # fmt: skip


def set_dropout(network: Any, probability: float) -> None:
    """Give every dropout of the network this probability.

    Raises:
        ModelError: the architecture has none.
    """
    names = [name for name in _DROPOUTS if isinstance(getattr(network.config, name, None), float)]
    if not names:
        raise ModelError(
            f"model.dropout: {network.config.model_type} models have no dropout; leave it out and "
            "use adapter.dropout or weight decay"
        )
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = probability
        for name in names:  # attention layers keep the number and apply it themselves
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, probability)
    for name in names:
        setattr(network.config, name, probability)


def load_model(
    settings: ModelSettings, root: Path, seed: int, tokenizer: Any | None = None
) -> LanguageModel:
    """The model of a recipe on this process's device, adapter on. `new` needs a tokenizer."""
    if settings.base == "new":
        assert tokenizer is not None, "a fresh model needs its tokenizer made first"
        network = _fresh_network(settings, tokenizer, seed)
    else:
        tokenizer = tokenizer if tokenizer is not None else load_tokenizer(settings, root)
        network = _load_network(settings, root)
    if settings.dropout is not None:
        set_dropout(network, settings.dropout)
    if settings.gradient_checkpointing:
        with warnings.catch_warnings():
            # Newer versions of transformers have another name for it.
            warnings.filterwarnings("ignore", message="`gradient_checkpointing_enable`")
            network.gradient_checkpointing_enable({"use_reentrant": False})
        network.enable_input_require_grads()
    device = choose_device()
    precision = training_precision(settings, device)
    if device.type == "cpu" and precision == torch.bfloat16:
        from madrigal.model.attention import use_for_short_rows

        use_for_short_rows(network)
    network = add_adapter(network, settings.adapter, seed)
    return LanguageModel(
        network=network.to(device).eval(),  # fresh weights and adapters arrive in training mode
        tokenizer=tokenizer,
        device=device,
        context=model_context(settings, root),
        name=settings.base,
        precision=precision,
    )
