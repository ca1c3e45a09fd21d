"""`madrigal export RUN`: what a run has trained, as a folder that other programs load."""

import json
import shutil
from pathlib import Path

from madrigal.errors import RunFolderError
from madrigal.model.base import BUNDLED
from madrigal.pipeline.trained import Trained, find_trained, load_trained

# Said in the card of an adapter whose base no other program knows by its name.
_LOADING = """
## Loading

The base model is in `base/`. With `FOLDER` for the path of this folder:

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = AutoModelForCausalLM.from_pretrained("FOLDER/base")
model = PeftModel.from_pretrained(base, "FOLDER")
tokenizer = AutoTokenizer.from_pretrained("FOLDER")
```

`AutoPeftModelForCausalLM.from_pretrained(".")` works too, but only in a program that runs inside
this folder: peft looks for `./base` where the program runs.
"""


def export(
    run: Path, out: Path | None, merge: bool, stage: str | None, task: str | None = None
) -> None:
    """Writes a PEFT adapter or a transformers model; with `merge` always the latter.

    Beside an adapter of a bundled base stands the base, which nobody could load by its name.

    Raises:
        RunFolderError: there is no finished stage, or something stands where it would be written.
    """
    trained = find_trained(run, stage, task)
    write_out(trained, run, out if out is not None else run / "export", merge)


def write_out(trained: Trained, run: Path, target: Path, merge: bool, said: str = "") -> None:
    """The same of a model of `run` that stands anywhere; what is `said` of it goes into its card.

    Raises:
        RunFolderError: something stands where it would be written.
    """
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
        if said:
            _add_to_card(aside / "README.md", f"\n{said}\n")
        if _brings_base(trained, merge):
            _add_base(trained, aside)
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
    from madrigal.model.merge import merged

    model, _ = load_trained(trained)
    merged(model.network).save_pretrained(aside)
    model.tokenizer.save_pretrained(aside)


def _brings_base(trained: Trained, merge: bool) -> bool:
    return trained.is_adapter and not merge and trained.recipe.model.base in BUNDLED


def _add_base(trained: Trained, aside: Path) -> None:
    shutil.copytree(BUNDLED[trained.recipe.model.base], aside / "base")
    file = aside / "adapter_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    # With the dot peft takes it for a folder only, never for a model of the hub.
    config["base_model_name_or_path"] = "./base"
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    _add_to_card(aside / "README.md", _LOADING)


def _add_to_card(card: Path, text: str) -> None:
    said = card.read_text(encoding="utf-8").rstrip("\n") + "\n" if card.is_file() else ""
    card.write_text(said + text, encoding="utf-8")


def _how_to_load(trained: Trained, target: Path, merge: bool) -> str:
    if trained.is_adapter and not merge:
        base = trained.recipe.model.base
        if _brings_base(trained, merge):
            return (
                f"a PEFT adapter of {base}, stage {trained.label}, with the base in base/; its "
                "README.md says how to load both; --merge makes a whole model of it"
            )
        return f"a PEFT adapter of {base}, stage {trained.label}; --merge makes a whole model of it"
    return f"a transformers model, stage {trained.label}; from_pretrained({str(target)!r}) loads it"
