"""Reward models on the disk, in the format of sequence classification."""

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from madrigal.errors import ModelError
from madrigal.model.adapter_files import save_task_adapter
from madrigal.model.language_model import LanguageModel
from madrigal.model.score import reward_heads

SCORE = "score.weight"  # what transformers calls the head


def refuse_unclassified(model: LanguageModel) -> None:
    """Check at set-up that reward models of this architecture can be written.

    Raises:
        ModelError: transformers has no class for sequence classification with such a trunk, or
            an embedding is adapted, which the task's adapter cannot hold.
    """
    causal: Any = model.causal
    for task, _ in reward_heads(causal):
        if not _fits(causal):
            raise ModelError(
                f"model.base: transformers has no {causal.config.model_type} model for sequence "
                f"classification, so the reward model of {task!r} could not be written; choose "
                "another base"
            )
        if any("lora_embedding_" in name for name, _ in model.trainable()):
            raise ModelError(
                f"model.adapter.targets: they name an embedding, and with it the reward model of "
                f"{task!r} could not be written; name linear layers"
            )


def _classifier(config: Any) -> nn.Module | None:
    """The model for sequence classification, without memory for its weights."""
    from transformers import AutoModelForSequenceClassification

    # As a table, not by the class: making one asks for nothing from the hub.
    kind: Any = AutoModelForSequenceClassification._model_mapping.get(type(config), None)
    if kind is None:
        return None
    with torch.device("meta"):
        return kind(config)


def _fits(causal: Any) -> bool:
    """Whether the classifier is the causal model's trunk with a head."""
    found = _classifier(_config(causal, None))
    trunk = {name.replace(".base_layer.", ".") for name in _trunk(causal)}
    return found is not None and set(found.state_dict()) == {*trunk, SCORE}


def _trunk(causal: Any) -> dict[str, Tensor]:
    """The causal model's tensors without those of its heads and of adapters."""
    prefix = f"{causal.base_model_prefix}."
    state = causal.state_dict()
    return {n: t for n, t in state.items() if n.startswith(prefix) and not _is_of_adapter(n)}


def _is_of_adapter(name: str) -> bool:
    return any(part == "private" or part.startswith("lora_") for part in name.split("."))


def _config(causal: Any, pad: int | None) -> Any:
    config = copy.deepcopy(causal.config)
    config.num_labels = 1
    config.pad_token_id = pad
    return config


def padding(tokenizer: Any, end: int) -> int | None:
    """A token to pad with. The score is read at the last token that is not padding, so it must not
    be the one that ends an answer; None where the tokenizer has no other that text never holds."""
    known = (tokenizer.pad_token_id, tokenizer.unk_token_id, *sorted(tokenizer.all_special_ids))
    return next((int(token) for token in known if token not in (None, end)), None)


def save_reward(model: LanguageModel, task: str, folder: Path, end: int) -> None:
    """Write a task's reward model so that transformers, or peft on a base, loads it alone.

    Of a model with adapters it is the task's whole adapter with the head beside it, of others the
    whole model. `end` is the token that ends an answer. Of two heads the first is written.
    """
    head = model.reward_head(task)
    assert head is not None
    score = head.weight.detach()[:1].clone().cpu()
    pad = padding(model.tokenizer, end)
    tokenizer = copy.deepcopy(model.tokenizer)
    tokenizer.pad_token = None if pad is None else tokenizer.convert_ids_to_tokens(pad)
    if _adapted(model, task):
        save_task_adapter(model, task, folder, score)
    else:
        _save_whole(model.causal, folder, score, pad)
    tokenizer.save_pretrained(folder)


def _adapted(model: LanguageModel, task: str) -> bool:
    private = model.private is not None and task in model.private.tasks
    return private or hasattr(model.network, "peft_config")


def _save_whole(causal: Any, folder: Path, score: Tensor, pad: int | None) -> None:
    kind: Any = _classifier(_config(causal, pad))
    kind.save_pretrained(folder, state_dict={**_trunk(causal), SCORE: score})


def read_scores(folder: Path) -> dict[str, Tensor]:
    """The heads of the reward models in a folder, by task: each its first row of weights."""
    return {path.name: _score(path) for path in sorted(folder.glob("*")) if path.is_dir()}


def _score(folder: Path) -> Tensor:
    from safetensors import safe_open

    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as held:
            for name in held.keys():  # noqa: SIM118
                if name.endswith(SCORE):
                    return held.get_tensor(name)
    raise ModelError(f"{folder}: no {SCORE}; the reward model is damaged, train the stage again")
