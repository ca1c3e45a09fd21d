"""What a recipe's `model.base` names, before any weights: its place, tokenizer and context.

Nothing here needs torch, so that looking at a recipe does not wait for it.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from madrigal.errors import ModelError
from madrigal.recipe.model import ModelSettings

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
        raise ModelError(unloadable(settings.base, problem)) from problem


def unloadable(base: str, problem: Exception) -> str:
    """What to say where transformers cannot load a model."""
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
        raise ModelError(unloadable(settings.base, problem)) from problem
    return getattr(config, "max_position_embeddings", DEFAULT_CONTEXT)
