"""One function a kind of file: its text in, its rows out."""

import csv
import io
import json
import re
from collections.abc import Mapping
from typing import Any

from madrigal.errors import DataError
from madrigal.tasks.decode import LINE_LIMIT, lines_of
from madrigal.tasks.row import NOTHING, Mistakes, Row

DOCUMENT_END = "<|endoftext|>"

# Keys under which published files keep their rows, in order of preference.
_ROW_KEYS = ("Instances", "instances", "data", "examples", "rows", "train", "records", "items")

_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


def text_rows(text: str, name: str) -> list[Row]:
    """One document a file, or several where `<|endoftext|>` stands between them."""
    parts = [part.strip("\r\n") for part in text.replace("\r\n", "\n").split(DOCUMENT_END)]
    documents = [part for part in parts if part.strip()]
    if len(documents) == 1:
        return [Row(name, name, {"text": documents[0]})]
    return [
        Row(name, f"{name} document {number}", {"text": document})
        for number, document in enumerate(documents, 1)
    ]


def jsonl_rows(text: str, name: str) -> list[Row]:
    """One JSON object a line; empty lines are passed over."""
    mistakes = Mistakes()
    rows: list[Row] = []
    for number, line in enumerate(lines_of(text, name), 1):
        if not line.strip():
            continue
        where = f"{name}:{number}"
        try:
            rows.append(line_row(line, name, where))
        except DataError as error:
            mistakes.add(name, error.mistakes)
    mistakes.raise_any()
    return rows


def line_row(line: str, name: str, where: str) -> Row:
    """The row of one line. DataError if it is not one JSON object."""
    return _row(_parse(line, where), name, where)


def json_rows(text: str, name: str) -> list[Row]:
    """A list of objects, an object that holds one, or (a common mistake of suffix) JSON lines."""
    try:
        whole = _parse(text, name)
    except DataError:
        if re.match(r"\s*\{[^\n]*\}\s*\n\s*\{", text):
            return jsonl_rows(text, name)
        raise
    if isinstance(whole, dict):
        key = rows_key(whole)
        if key is None:
            return [_row(whole, name, f"{name} item 1")]
        header = {k: v for k, v in whole.items() if k != key}
        inner = whole[key]
        items = list(inner.values()) if isinstance(inner, dict) else inner
        return _items(items, name, header)
    if not isinstance(whole, list):
        raise DataError(f"{name}: holds {_kind(whole)}, not a list of objects")
    return _items(whole, name, NOTHING)


def _items(items: list[Any], name: str, header: Mapping[str, Any]) -> list[Row]:
    mistakes = Mistakes()
    rows: list[Row] = []
    for number, item in enumerate(items, 1):
        try:
            rows.append(_row(item, name, f"{name} item {number}", header))
        except DataError as error:
            mistakes.add(name, error.mistakes)
    mistakes.raise_any()
    return rows


def rows_key(whole: dict[str, Any]) -> str | None:
    """Under which key of a JSON file its rows stand; None where it is a row itself."""
    keys = [key for key, value in whole.items() if _holds_rows(value)]
    return next((key for key in _ROW_KEYS if key in keys), keys[0] if len(keys) == 1 else None)


def _holds_rows(value: Any) -> bool:
    items = list(value.values()) if isinstance(value, dict) else value
    return isinstance(items, list) and bool(items) and all(isinstance(i, dict) for i in items)


def _row(value: Any, name: str, where: str, header: Mapping[str, Any] = NOTHING) -> Row:
    if not isinstance(value, dict):
        raise DataError(f"{where}: {_kind(value)} where an object with fields was expected")
    return Row(name, where, value, header)


def _parse(text: str, where: str) -> Any:
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except _TwiceError as error:
        raise DataError(f"{where}: key '{error}' stands twice in one object; keep one") from error
    except json.JSONDecodeError as error:
        at = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno}"
        raise DataError(f"{where}: broken JSON at {at}: {error.msg}") from error
    except RecursionError as error:
        raise DataError(f"{where}: JSON nested too deeply") from error
    except ValueError as error:
        raise DataError(f"{where}: broken JSON: a number of thousands of digits") from error
    if r"\ud" in text.lower() and _LONE_SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        raise DataError(f"{where}: half of a surrogate pair (\\ud800 to \\udfff); not a character")
    return value


class _TwiceError(Exception):
    """A key that stands twice in one object."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        # `add` returns None, so the first key that is there already is found.
        raise _TwiceError(next(key for key, _ in pairs if key in seen or seen.add(key)))
    return made


def _kind(value: Any) -> str:
    names = {str: "a string", list: "a list", dict: "an object", bool: "true or false"}
    return "null" if value is None else names.get(type(value), "a number")


def csv_rows(text: str, name: str) -> list[Row]:
    """A table with a header line. The delimiter is the one that the header has most of."""
    lines_of(text, name)  # refuses lines past the limit
    csv.field_size_limit(LINE_LIMIT)
    header_line = text.split("\n", 1)[0]
    delimiter = "\t" if name.lower().endswith((".tsv", ".tsv.gz")) else delimiter_of(header_line)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    mistakes = Mistakes()
    rows: list[Row] = []
    try:
        header = [column.strip() for column in next(reader)]
        check_header(header, name)
        start = reader.line_num + 1
        for cells in reader:
            where = f"{name}:{start}"
            start = reader.line_num + 1
            if not cells:
                continue
            if len(cells) != len(header):
                mistakes.add(name, f"{where}: {len(cells)} cells; the header has {len(header)}")
                continue
            rows.append(Row(name, where, dict(zip(header, cells, strict=True))))
    except csv.Error as error:
        mistakes.add(name, f"{name}:{reader.line_num}: broken CSV: {error}")
    mistakes.raise_any()
    return rows


def delimiter_of(header_line: str) -> str:
    """The delimiter that a header has most of."""
    return max(",;\t|", key=header_line.count)


def check_header(header: list[str], name: str) -> None:
    """DataError where a column stands twice."""
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise DataError(f"{name}:1: column '{twice[0]}' stands twice in the header")


def parquet_rows(data: bytes, name: str) -> list[Row]:
    """Every row of a Parquet file, through pyarrow."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{name}: not a Parquet file, or a damaged one") from error
    return [
        Row(name, f"{name} row {number}", values)
        for number, values in enumerate(table.to_pylist(), 1)
    ]
