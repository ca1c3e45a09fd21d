"""The result of a stage in the formats of those who use it: transformers' and peft's."""

import warnings
from pathlib import Path
from typing import Any

from torch import Tensor

from madrigal.model.adapter_files import name_bundled_base, save_task_adapter
from madrigal.model.language_model import LanguageModel
from madrigal.model.score import is_of_reward_head, reward_heads
from madrigal.model.score_files import save_reward
from madrigal.training.files import written_whole

REWARD = "reward"  # in the folder of a stage: a reward model for each task that trains one


def save(folder: Path, model: LanguageModel, end: int) -> None:
    """Save the stage's result in its users' formats. `end` is the token that ends an answer."""
    network: Any = model.network
    name = "adapter" if hasattr(network, "peft_config") else "model"
    private = model.private
    if private is None or name == "adapter":
        with written_whole(folder / name) as aside:
            save_shared(model, aside)
    if private is not None:
        with written_whole(folder / "adapters") as aside:
            for task in private.tasks:
                save_task_adapter(model, task, aside / task)
                model.tokenizer.save_pretrained(aside / task)
    heads = [task for task, _ in reward_heads(model.causal)]
    if heads:
        with written_whole(folder / REWARD) as aside:
            for task in heads:
                save_reward(model, task, aside / task, end)


def save_shared(model: LanguageModel, folder: Path) -> None:
    """Save what all tasks share, in the folder given."""
    if model.folded:
        save_task_adapter(model, "", folder)
        model.tokenizer.save_pretrained(folder)
        return
    network: Any = model.network
    chosen: dict[str, Any] = {}
    if model.private is not None or any(reward_heads(model.causal)):
        # peft chooses by parts of names, and tasks are free to have any.
        chosen["state_dict"] = _of_all(model)
    with warnings.catch_warnings():
        # peft looks the base up on the hub to see whether its vocabulary grew; it has not.
        warnings.filterwarnings("ignore", message="Could not find a config file")
        network.save_pretrained(folder, **chosen)
    name_bundled_base(folder)
    model.tokenizer.save_pretrained(folder)


def _of_all(model: LanguageModel) -> dict[str, Tensor]:
    """The network's tensors without private parts and reward heads."""
    own = tuple(model.private.names()) if model.private is not None else ()
    state = model.network.state_dict()
    return {n: t for n, t in state.items() if not (n.endswith(own) or is_of_reward_head(n))}
