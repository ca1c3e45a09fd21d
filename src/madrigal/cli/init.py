"""`madrigal init FILES...`: a commented recipe for the user's own files."""

import os
from collections.abc import Sequence
from pathlib import Path

from madrigal.errors import UserMistake
from madrigal.recipe.load import load_recipe


def write_starter(files: Sequence[Path], out: Path) -> None:
    """Looks at the files and writes a recipe that loads; an existing file is never replaced.

    Raises:
        UserMistake: `out` is there already, or a file cannot be understood.
    """
    if out.exists():
        raise UserMistake(f"{out}: is there already; remove it or choose another --out")
    if not out.parent.is_dir():
        raise UserMistake(f"{out}: there is no folder {str(out.parent)!r}")
    from madrigal.cli.starter import starter
    from madrigal.tasks.inspect import inspect_files

    found = inspect_files([_seen_from(path, out.parent) for path in files], out.parent)
    # Loaded under another name first, so that a recipe that does not load never stands there.
    aside = out.with_name(f".{out.name}.partial")
    try:
        aside.write_text(starter(found, out.name), encoding="utf-8")
        load_recipe(aside)
        aside.replace(out)
    finally:
        aside.unlink(missing_ok=True)
    for task in found:
        if task.problem:
            print(f"{task.name}: written as a comment, to be filled in: {task.problem}")
            continue
        counts = ", ".join(f"{count:,} {split}" for split, count in task.records.items())
        print(f"{task.name}: {task.format}, {counts}")
    print(f"wrote {out}; next: madrigal check {out}")


def _seen_from(path: Path, folder: Path) -> str:
    """The path as the recipe must write it: relative paths are relative to the recipe's folder."""
    if path.is_absolute() or str(path).startswith(("$", "~")):
        return str(path)
    return Path(os.path.relpath(path, folder)).as_posix()
