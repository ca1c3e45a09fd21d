"""Any known format as canonical JSON lines, which every other trainer reads too."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from madrigal.recipe.task import TaskSettings
from madrigal.tasks.canonical import canonical, is_plain
from madrigal.tasks.formats.detect import choose_format
from madrigal.tasks.sources import read_sources
from madrigal.tasks.task import Split
from madrigal.tasks.understand import understand


def convert(settings: TaskSettings, root: Path) -> Mapping[Split, list[dict[str, Any]]]:
    """The records of a task's data as canonical rows, by split as given; nothing is cut or drawn.

    Templates, labels and `columns` of the settings are applied. DataError with all mistakes.
    """
    sources = read_sources("data", settings.data, root)
    rows = [row for some in sources.rows.values() for row in some]
    read = understand("data", settings, choose_format("data", rows, settings), sources.rows)
    flat = [record for records in read.records.values() for record in records]
    plain = read.kind == "feedback" and is_plain(flat)
    return {
        split: [canonical(record, plain) for record in records]
        for split, records in read.records.items()
    }


def write_jsonl(rows: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Write rows, one JSON object a line, so that the file is whole or not there."""
    aside = path.with_name(f".{path.name}.partial")
    with aside.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
