"""Files of a JSON line for each example, by stage and task, beside the predictions."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from madrigal.errors import RunFolderError

Row = TypeVar("Row")


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows as JSON lines: all of them or, after a crash, none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".partial")
    with aside.open("wb") as file:
        for row in rows:
            line = json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"
            # Half a character, which a model may write, becomes its JSON escape.
            file.write(line.encode("utf-8", "backslashreplace"))
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def read_rows(
    folder: Path, what: str, made: Callable[[dict[str, Any]], Row]
) -> dict[str, dict[str, list[Row]]]:
    """All rows of a folder, by stage, then task; empty where it is not there."""
    found: dict[str, dict[str, list[Row]]] = {}
    for path in sorted(folder.glob("*/*.jsonl")):
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            rows = [made(json.loads(line)) for line in lines]
        except (OSError, ValueError, TypeError) as error:
            raise RunFolderError(f"{path}: not {what} ({error}); remove the file") from None
        found.setdefault(path.parent.name, {})[path.stem] = rows
    return found
