"""From the settings of an inference server to what asks it for answers."""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from madrigal.errors import ModelError
from madrigal.experience.patient import Patience
from madrigal.experience.served import GO_ON, Served
from madrigal.model.adapter_files import save_task_adapter
from madrigal.model.language_model import LanguageModel
from madrigal.recipe.policy import Server
from madrigal.training.files import written_whole

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_LONGEST_ASKED = 600.0  # seconds that a server may ask to be left alone


def unserved(settings: Server, place: str, root: Path) -> Iterator[str]:
    """What can be said against a server before a run, without asking it."""
    if settings.key is not None and not _VARIABLE.fullmatch(settings.key):
        yield (
            f"{place}.key: is no name of an environment variable (capitals, digits, `_`); put the "
            "key into a variable and write the variable's NAME here"
        )
    elif settings.key is not None and not os.environ.get(settings.key):
        yield (
            f"{place}.key: the environment variable {settings.key} is not set; export it, or leave "
            "`key` out for a server that wants none"
        )
    folder = root / settings.adapters
    if not folder.is_dir():
        yield f"{place}.adapters: {folder} is no folder; make one that the server sees too"
    elif not os.access(folder, os.W_OK):
        yield f"{place}.adapters: {folder} cannot be written to; name another folder"


def build_server(settings: Server, model: LanguageModel, root: Path, end: int) -> Served:
    """What asks the server, and hands it the model's adapter before.

    Raises:
        ModelError: the weights cannot be handed over.
    """
    if model.shards is not None:
        raise ModelError(
            "a server is handed whole adapters, and here each process holds a part of the model; "
            "leave `server` out, or do not share the model out"
        )
    causal: Any = model.causal
    folder = (root / settings.adapters).resolve()
    patience = Patience(
        url=settings.url,
        key=os.environ.get(settings.key, "") if settings.key else "",
        tries=settings.tries,
        timeout=settings.timeout,
        first_pause=settings.first_pause,
        longest_asked=_LONGEST_ASKED,
        go_on=GO_ON,
    )
    return Served(
        patience=patience,
        model=settings.model,
        at_once=settings.at_once,
        end=end,
        vocabulary=int(causal.config.vocab_size),
        context=model.context,
        gap=settings.gap,
        handed=_handed(model, folder),
        let_go=lambda name: shutil.rmtree(folder / name, ignore_errors=True),
        loaded={},
    )


def _handed(model: LanguageModel, folder: Path) -> Callable[[str], tuple[str, str]]:
    def handed(task: str) -> tuple[str, str]:
        """The task's adapter in a folder of its own, under a name that follows from its content."""
        aside = folder / f".madrigal-{os.getpid()}"
        try:
            save_task_adapter(model, task, aside)
            content = (aside / "adapter_model.safetensors").read_bytes()
            name = f"madrigal-{hashlib.sha256(content).hexdigest()[:16]}"
            if not (folder / name).is_dir():
                with written_whole(folder / name) as place:
                    shutil.copytree(aside, place, dirs_exist_ok=True)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return name, str(folder / name)

    return handed
