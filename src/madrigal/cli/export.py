"""`madrigal export RUN`: what a run has trained, as a folder that other programs load."""

import shutil
import warnings
from pathlib import Path
from typing import Any

from madrigal.errors import RunFolderError
from madrigal.pipeline.trained import Trained, find_trained, load_trained


def export(
    run: Path, out: Path | None, merge: bool, stage: str | None, task: str | None = None
) -> None:
    """Writes a PEFT adapter or a transformers model; with `merge` always the latter.

    Raises:
        RunFolderError: there is no finished stage, or something stands where it would be written.
    """
    trained = find_trained(run, stage, task)
    target = out if out is not None else run / "export"
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RunFolderError(f"{target}: is there already; remove it or choose another --out")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Written aside, so that a folder that is there is whole.
    aside = target.with_name(f".{target.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        _write(trained, aside, merge)
        card = run / "README.md"
        if card.is_file():
            shutil.copyfile(card, aside / "README.md")
        if target.is_dir():
            target.rmdir()
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    print(f"wrote {target}: {_how_to_load(trained, target, merge)}")


def _write(trained: Trained, aside: Path, merge: bool) -> None:
    if not merge or not trained.is_adapter:
        shutil.copytree(trained.folder, aside)
        return
    model, _ = load_trained(trained)
    network: Any = model.network
    with warnings.catch_warnings():
        # peft tells that merging changes the module; that is what was asked for.
        warnings.filterwarnings("ignore", category=UserWarning, module="peft")
        merged = network.merge_and_unload()
    merged.save_pretrained(aside)
    model.tokenizer.save_pretrained(aside)


def _how_to_load(trained: Trained, target: Path, merge: bool) -> str:
    if trained.is_adapter and not merge:
        base = trained.recipe.model.base
        return f"a PEFT adapter of {base}, stage {trained.label}; --merge makes a whole model of it"
    return f"a transformers model, stage {trained.label}; from_pretrained({str(target)!r}) loads it"
