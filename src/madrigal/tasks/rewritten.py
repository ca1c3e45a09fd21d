"""Copies of training records in a generator's words, as `madrigal augment` writes them down.

A row names its record by place and says what stood in its prompt and what stands there instead, so
it holds with any template, and is left out where the record is not trained on or reads otherwise.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from madrigal.errors import DataError
from madrigal.tasks.find import find_files
from madrigal.tasks.read import read_file
from madrigal.tasks.record import Record
from madrigal.tasks.row import Row
from madrigal.tasks.task import DataFile

FROM, BY, TEXTS, BEFORE, AFTER = "from", "by", "texts", "before", "after"


def row_of(record: Record, by: str, texts: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The row of a copy: how it was made, and each text that was said anew."""
    said = [{BEFORE: before, AFTER: after} for before, after in texts]
    return {FROM: record.where, BY: by, TEXTS: said}


def read_rewritten(path: str, root: Path, where: str) -> tuple[list[Row], tuple[DataFile, ...]]:
    """The rows of such files. DataError, said at `where`, if they are none."""
    rows: list[Row] = []
    files: list[DataFile] = []
    try:
        for found in find_files(path, root):
            some, file = read_file(found)
            rows += some
            files.append(file)
    except DataError as error:
        raise DataError(f"{where}: {one}" for one in error.mistakes) from error
    for row in rows:
        if not _is_one(row.values):
            raise DataError(
                f"{where}: {row.where}: is no row that `madrigal augment` wrote: it has `from`, "
                "`by`, and `texts` with `before` and `after`"
            )
    return rows, tuple(files)


def _is_one(values: Mapping[str, Any]) -> bool:
    texts = values.get(TEXTS)
    return (
        isinstance(values.get(FROM), str)
        and isinstance(values.get(BY), str)
        and isinstance(texts, list)
        and bool(texts)
        and all(
            isinstance(one, dict) and all(isinstance(one.get(k), str) for k in (BEFORE, AFTER))
            for one in texts
        )
    )


def prompts(records: Sequence[Record], rows: Sequence[Row]) -> Iterator[tuple[Record, str, str]]:
    """Record, way and new prompt of every row that fits a record, at most one a record and way."""
    known = {record.where: record for record in records}
    done: set[tuple[str, str]] = set()
    for row in rows:
        place, by = row.values[FROM], row.values[BY]
        record = known.get(place)
        if record is None or (place, by) in done:
            continue
        prompt = _with(record.turns[-1].text, [(t[BEFORE], t[AFTER]) for t in row.values[TEXTS]])
        if prompt is not None and prompt.strip() and prompt != record.turns[-1].text:
            done.add((place, by))
            yield record, by, prompt


def _with(prompt: str, texts: Sequence[tuple[str, str]]) -> str | None:
    """The prompt with some texts, which stand in it in this order, exchanged; None without them."""
    pieces, end = [], 0
    for before, after in texts:
        start = prompt.find(before, end) if before else -1
        if start < 0:
            return None
        pieces += [prompt[end:start], after]
        end = start + len(before)
    return "".join((*pieces, prompt[end:]))
