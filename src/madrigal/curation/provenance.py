"""Which files of a task are cleaned copies, and what became of the rows of their originals."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from madrigal.curation.clean import CLEANED, LEDGER
from madrigal.errors import DataError
from madrigal.tasks.find import find_files
from madrigal.tasks.task import DataFile

_KEPT = ("original", "before", "after", "rows", "examples")


def cleaned_copies(files: Iterable[DataFile], root: Path) -> Iterator[dict[str, Any]]:
    """What `clean.json` says of each file that curation made; `root` is the recipe's folder.

    `changed_since` says that the file is not as curation left it.
    """
    for file in files:
        folder = Path(file.path).parent.parent.parent
        if Path(file.path).parent.parent.name != "clean":
            continue
        for one in _told(file.path, root):
            if folder / str(one.get("copy")) == Path(file.path):
                kept = {key: one[key] for key in _KEPT if key in one}
                changed = one.get("sha256") != file.sha256
                yield {**kept, "copy": file.path, "ledger": str(folder / LEDGER)} | (
                    {"changed_since": True} if changed else {}
                )


def _told(name: str, root: Path) -> list[dict[str, Any]]:
    """The content of `clean.json` beside a copy; nothing where there is none that can be read."""
    try:
        path = find_files(name, root)[0].path.parents[2] / CLEANED
        said = json.loads(path.read_text("utf-8"))
    except (DataError, OSError, ValueError, IndexError):
        return []
    return [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []
