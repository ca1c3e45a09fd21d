"""The result of a stage in the formats of those who use it: transformers' and peft's."""

import warnings
from pathlib import Path
from typing import Any

from madrigal.model.adapter_files import name_bundled_base, save_task_adapter
from madrigal.model.language_model import LanguageModel
from madrigal.training.files import written_whole


def save(folder: Path, model: LanguageModel) -> None:
    """Save the stage's result in its users' formats."""
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


def save_shared(model: LanguageModel, folder: Path) -> None:
    """Save what all tasks share, in the folder given."""
    if model.folded:
        save_task_adapter(model, "", folder)
        model.tokenizer.save_pretrained(folder)
        return
    network: Any = model.network
    chosen: dict[str, Any] = {}
    if model.private is not None:  # peft chooses by parts of names, and tasks are free to have any
        own = tuple(model.private.names())
        state = network.state_dict()
        chosen["state_dict"] = {n: t for n, t in state.items() if not n.endswith(own)}
    with warnings.catch_warnings():
        # peft looks the base up on the hub to see whether its vocabulary grew; it has not.
        warnings.filterwarnings("ignore", message="Could not find a config file")
        network.save_pretrained(folder, **chosen)
    name_bundled_base(folder)
    model.tokenizer.save_pretrained(folder)
