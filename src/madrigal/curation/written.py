"""A copy of a file in the shape that the file has."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from madrigal.curation.balance import COPY_OF
from madrigal.curation.sources import Source
from madrigal.curation.stream import TABLES, delimiter, items
from madrigal.errors import DataError
from madrigal.tasks.find import TEXT_SUFFIXES, suffix_of
from madrigal.tasks.tables import DOCUMENT_END, rows_key

Written = tuple[int, bytes | dict[str, Any]]  # number in the file, and a line or values


def write_copy(
    path: Path, source: Source, rows: Iterable[Written | None], marked: bool
) -> tuple[int, int]:
    """Writes the rows that are not None; how many there were, and how many were written.

    With `marked` a table gets a column that says of what row one is a copy.
    """
    count = _Count(rows)
    suffix = suffix_of(source.found.path.name)
    if suffix == ".json":
        _write_json(path, source, [*count])
    elif suffix in TABLES:
        _write_table(path, source, count, marked)
    elif suffix in TEXT_SUFFIXES:
        texts = [values["text"] if isinstance(values, dict) else "" for _, values in count]
        path.write_text(f"\n{DOCUMENT_END}\n".join(texts), "utf-8")
    else:
        with path.open("wb") as file:
            for _, values in count:
                file.write(values if isinstance(values, bytes) else _line(values))
                file.write(b"\n")
    return count.before, count.after


class _Count:
    """Rows on their way, counted."""

    def __init__(self, rows: Iterable[Written | None]) -> None:
        self._rows = rows
        self.before = self.after = 0

    def __iter__(self) -> Iterator[Written]:
        last = -1
        for row in self._rows:
            # A copy follows its row, under the same number.
            self.before += row is None or row[0] != last
            if row is not None:
                last = row[0]
                self.after += 1
                yield row


def _line(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")


def _write_table(path: Path, source: Source, rows: Iterable[Written], marked: bool) -> None:
    """With the columns and the mark between cells that the file has. DataError where a row has a
    field without a column."""
    names = next((list(item.values) for item in items(source.found) if item.values), [])
    names += [COPY_OF] if marked and COPY_OF not in names else []
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, delimiter=delimiter(source.found), lineterminator="\n")
        writer.writeheader()
        for _, values in rows:
            assert isinstance(values, dict)
            other = next((name for name in values if name not in names), None)
            if other is not None:
                raise DataError(
                    f"{source.name}: a reviewed row has a field {other!r}, and the table has no "
                    "such column; review it again"
                )
            writer.writerow(values)


def _write_json(path: Path, source: Source, kept: Sequence[tuple[int, Any]]) -> None:
    """The file in its own shape: what stands beside the rows stays."""
    from madrigal.tasks.decode import decode, unpack

    data = unpack(source.found.path.read_bytes(), source.name)
    rows = [values for _, values in kept]
    try:
        whole = json.loads(decode(data, source.name))
    except json.JSONDecodeError:
        # JSON lines under a wrong name, which the reader takes too.
        path.write_bytes(b"".join(_line(row) + b"\n" for row in rows))
        return
    if isinstance(whole, dict):
        key = rows_key(whole)
        if key is None:
            whole = rows[0] if rows else {}
        elif isinstance(whole[key], dict):
            whole[key] = _named(list(whole[key]), kept)
        else:
            whole[key] = rows
    else:
        whole = rows
    path.write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n", "utf-8")


def _named(names: Sequence[str], kept: Sequence[tuple[int, Any]]) -> dict[str, Any]:
    """Rows that have names: a copy has that of its row and a number."""
    found: dict[str, Any] = {}
    for number, values in kept:
        name, count = names[number], 1
        while name in found:
            count += 1
            name = f"{names[number]}-{count}"
        found[name] = values
    return found
