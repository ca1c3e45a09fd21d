"""Rows of data files, each with where it stands."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from madrigal.errors import DataError
from madrigal.tasks.decode import decode, unpack
from madrigal.tasks.find import ARCHIVE_SUFFIXES, DATA_SUFFIXES, TEXT_SUFFIXES, Found, suffix_of
from madrigal.tasks.row import Row
from madrigal.tasks.tables import csv_rows, json_rows, jsonl_rows, parquet_rows, text_rows
from madrigal.tasks.task import DataFile

Reader = Callable[[bytes, str], list[Row]]


def _decoded(read: Callable[[str, str], list[Row]]) -> Reader:
    return lambda data, name: read(decode(data, name), name)


READERS: Mapping[str, Reader] = {
    ".jsonl": _decoded(jsonl_rows),
    ".ndjson": _decoded(jsonl_rows),
    ".json": _decoded(json_rows),
    ".csv": _decoded(csv_rows),
    ".tsv": _decoded(csv_rows),
    ".parquet": parquet_rows,
    **dict.fromkeys(TEXT_SUFFIXES, _decoded(text_rows)),
}


def read_file(found: Found) -> tuple[list[Row], DataFile]:
    """Every row of a file or archive. DataError says what is wrong with it and where."""
    data = _bytes(found.path, found.name)
    if suffix_of(found.path.name) in ARCHIVE_SUFFIXES:
        from madrigal.tasks.archive import members

        rows = [row for name, part in members(data, found) for row in _rows(part, name)]
    else:
        rows = _rows(data, found.name)
    return rows, DataFile(found.name, len(data), hashlib.sha256(data).hexdigest(), len(rows))


def _rows(data: bytes, name: str) -> list[Row]:
    suffix = suffix_of(name)
    reader = READERS.get(suffix)
    if reader is None:
        known = ", ".join((*DATA_SUFFIXES, *TEXT_SUFFIXES))
        raise DataError(f"{name}: unknown kind of file '{suffix}'; known: {known} (also .gz)")
    content = unpack(data, name)
    if not content.strip():
        raise DataError(f"{name}: the file is empty")
    rows = reader(content, name)
    if not rows:
        raise DataError(f"{name}: the file holds no rows")
    return rows


def _bytes(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror or error}") from error
