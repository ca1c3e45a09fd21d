"""Any known format as canonical JSON lines, which every other trainer reads too."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from madrigal.recipe.task import TaskSettings
from madrigal.tasks.formats.detect import choose_format
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.sources import read_sources
from madrigal.tasks.task import Split
from madrigal.tasks.understand import understand

_RESERVED = {"prompt", "completion", "answers", "choices", "system", "history"}


def convert(settings: TaskSettings, root: Path) -> Mapping[Split, list[dict[str, Any]]]:
    """The records of a task's data as canonical rows, by split as given; nothing is cut or drawn.

    Templates, labels and `columns` of the settings are applied. DataError with all mistakes.
    """
    sources = read_sources("data", settings.data, root)
    rows = [row for some in sources.rows.values() for row in some]
    read = understand("data", settings, choose_format(rows, settings), sources.rows)
    return {split: [canonical(r) for r in records] for split, records in read.records.items()}


def canonical(record: Record) -> dict[str, Any]:
    """One record as `text`, or as `prompt` and `completion` with `answers` and `choices`.

    Reading it back gives a record of the same content (`Record.key`). The scalar fields of the
    source row stay beside it, where their names are free.
    """
    if record.text:
        return {"text": record.text}
    plain = len(record.turns) == 1 and record.turns[0].role == "user"
    row: dict[str, Any] = {
        "prompt": record.turns[0].text if plain else [_message(turn) for turn in record.turns],
        "completion": record.answers[0],
    }
    if len(record.answers) > 1:
        row["answers"] = list(record.answers)
    if record.choices:
        row["choices"] = list(record.choices)
    others = {name: value for name, value in record.fields.items() if name not in _RESERVED}
    return row | others


def _message(turn: Turn) -> dict[str, Any]:
    message = {"role": turn.role, "content": turn.text}
    return message if turn.trained else message | {"weight": 0}


def write_jsonl(rows: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Write rows, one JSON object a line, so that the file is whole or not there."""
    aside = path.with_name(f".{path.name}.partial")
    with aside.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
