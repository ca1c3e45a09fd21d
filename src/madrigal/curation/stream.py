"""The rows of a file one after another, whatever bytes it holds, in bounded memory.

JSON lines, tables and Parquet files are read as a stream. A JSON list, raw text and archives are
read whole, as training reads them. A row that cannot be read is an item with its problem; a file of
which nothing can be read is a DataError.
"""

import codecs
import csv
import gzip
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import IO, Any

from madrigal.errors import DataError
from madrigal.tasks.decode import LINE_LIMIT, UNPACKED_LIMIT, size_text
from madrigal.tasks.find import ARCHIVE_SUFFIXES, Found, suffix_of
from madrigal.tasks.read import read_file
from madrigal.tasks.row import Row
from madrigal.tasks.tables import check_header, delimiter_of

_PIECE = 1 << 20
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
LINES = (".jsonl", ".ndjson")
TABLES = (".csv", ".tsv")


@dataclass(frozen=True, slots=True)
class Item:
    """One row as it stands in its file: a line of JSON not yet parsed, or values, or a problem.

    `read` says how many bytes of the file were read when it was, as they lie on the disk.
    """

    where: str
    line: bytes | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    header: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    read: int = 0


def items(found: Found) -> Iterator[Item]:
    """Every row of a file, blank lines left out.

    Raises:
        DataError: the file cannot be read, or changed while it was read.
    """
    suffix = suffix_of(found.path.name)
    if suffix in ARCHIVE_SUFFIXES or suffix not in (*LINES, *TABLES, ".parquet"):
        rows, size = _whole(found), fingerprint(found)[0]
        for number, row in enumerate(rows, 1):
            header = row.header or {}
            read = size * number // len(rows)
            yield Item(row.where, values=row.values, header=header, read=read)
        return
    with _unchanged(found):
        if suffix in LINES:
            yield from _lines(found)
        elif suffix in TABLES:
            yield from _table(found)
        else:
            yield from _parquet(found)


def fingerprint(found: Found) -> tuple[int, int]:
    """Size and time of the last change: what says that a file is still the same."""
    try:
        state = os.stat(found.path)
    except OSError as error:
        raise DataError(f"{found.name}: cannot be read: {error.strerror or error}") from error
    return state.st_size, state.st_mtime_ns


@contextmanager
def _unchanged(found: Found) -> Iterator[None]:
    before = fingerprint(found)
    try:
        yield
    except OSError as error:
        raise DataError(f"{found.name}: cannot be read: {error.strerror or error}") from error
    if fingerprint(found) != before:
        raise DataError(
            f"{found.name}: changed while it was read; wait until nothing writes to it, then "
            "curate again"
        )


def _whole(found: Found) -> list[Row]:
    before = fingerprint(found)
    if before[0] > UNPACKED_LIMIT:
        raise DataError(
            f"{found.name}: {size_text(before[0])}, and this kind of file is read whole; the limit "
            f"is {size_text(UNPACKED_LIMIT)}: convert it to JSON lines"
        )
    try:
        rows = read_file(found)[0]
    except MemoryError as error:
        raise DataError(f"{found.name}: too large for the memory of this machine") from error
    if fingerprint(found) != before:
        raise DataError(
            f"{found.name}: changed while it was read; wait until nothing writes to it, then "
            "curate again"
        )
    return rows


@contextmanager
def _opened(found: Found) -> Iterator[tuple[IO[bytes] | gzip.GzipFile, IO[bytes]]]:
    """The file as it is read, and as it lies on the disk."""
    try:
        with found.path.open("rb") as raw:
            if not found.path.name.lower().endswith(".gz"):
                yield raw, raw
                return
            with gzip.GzipFile(fileobj=raw) as file:
                yield file, raw
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{found.name}: not a gzip file, or a damaged one ({error}); pack it again"
        ) from error
    except EOFError as error:
        raise DataError(f"{found.name}: the gzip file ends early; copy it again") from error


def _lines(found: Found) -> Iterator[Item]:
    held = False
    for number, line, read in _raw_lines(found):
        where = f"{found.name}:{number}"
        held = True
        yield _too_long(where, read) if line is None else Item(where, line=line, read=read)
    if not held:
        raise DataError(f"{found.name}: the file is empty")


def _raw_lines(found: Found) -> Iterator[tuple[int, bytes | None, int]]:
    """Number and bytes of every line that is not blank, and how much was read of the file; None
    for a line past the limit."""
    total = 0
    with _opened(found) as (file, raw):
        packed = file is not raw
        number = 0
        while line := file.readline(LINE_LIMIT + 1):
            number += 1
            total += len(line)
            long = len(line) > LINE_LIMIT
            while long and line and not line.endswith(b"\n"):
                line = file.readline(_PIECE)
                total += len(line)
                _check_unpacked(total, found)
            _check_unpacked(total, found)
            if number == 1:
                _check_utf16(line, found)
                line = line.removeprefix(codecs.BOM_UTF8)
            read = raw.tell() if packed else total
            if long:
                yield number, None, read
            elif line.strip():
                yield number, line.rstrip(b"\r\n"), read


def _check_unpacked(total: int, found: Found) -> None:
    if total > UNPACKED_LIMIT and found.path.name.lower().endswith(".gz"):
        raise DataError(
            f"{found.name}: unpacks to more than {size_text(UNPACKED_LIMIT)}; unpack it yourself"
        )


def _check_utf16(start: bytes, found: Found) -> None:
    if start.startswith(_UTF16):
        raise DataError(f"{found.name}: this is UTF-16; convert it: iconv -f UTF-16 -t UTF-8")


def _too_long(where: str, read: int) -> Item:
    said = f"{where}: a line of more than {size_text(LINE_LIMIT)}, which is the limit; cut it"
    return Item(where, problem=said, read=read)


def _table(found: Found) -> Iterator[Item]:
    """Rows of a table with a header. What cannot be decoded stands in surrogates until it is seen
    to be a row's."""
    csv.field_size_limit(LINE_LIMIT)
    reader: Any = None
    try:
        lines = _Lines(found)
        first = next(lines, None)
        if first is None or not first.strip():
            raise DataError(f"{found.name}: the file is empty")
        reader = csv.reader(chain([first], lines), delimiter=_mark(found, first), strict=True)
        header = [column.strip() for column in next(reader)]
        check_header(header, found.name)
        if said := _undecoded(header):
            raise DataError(f"{found.name}:1: {said}")
        start = reader.line_num + 1
        for cells in reader:
            where = f"{found.name}:{start}"
            start = reader.line_num + 1
            if cells:
                yield _cells(cells, header, where, lines.read)
    except csv.Error as error:
        number = reader.line_num if reader is not None else 1
        where = f"{found.name}:{number}"
        yield Item(where, problem=f"{where}: broken CSV: {error}; what follows was not read")


def delimiter(found: Found) -> str:
    """What stands between the cells of a table."""
    return _mark(found, next(iter(_Lines(found)), ""))


def _mark(found: Found, first: str) -> str:
    tabs = found.path.name.lower().endswith((".tsv", ".tsv.gz"))
    return "\t" if tabs else delimiter_of(first)


def _cells(cells: list[str], header: list[str], where: str, read: int) -> Item:
    if len(cells) != len(header):
        said = f"{len(cells)} cells; the header has {len(header)}"
        return Item(where, problem=f"{where}: {said}", read=read)
    if said := _undecoded(cells):
        return Item(where, problem=f"{where}: {said}", read=read)
    return Item(where, values=dict(zip(header, cells, strict=True)), read=read)


def _undecoded(cells: Sequence[str]) -> str:
    """What is to be said of the first byte of some cells that is not UTF-8; empty for none."""
    for cell in cells:
        if not cell.isascii() and any("\udc80" <= one <= "\udcff" for one in cell):
            byte = next(ord(one) - 0xDC00 for one in cell if "\udc80" <= one <= "\udcff")
            return f"byte 0x{byte:02x} is not UTF-8; save the file as UTF-8"
    return ""


class _Lines:
    """The lines of a table, decoded, and how many bytes of the file they took so far."""

    def __init__(self, found: Found) -> None:
        self.read = 0
        self._lines = self._decoded(found)

    def __iter__(self) -> Iterator[str]:
        return self._lines

    def __next__(self) -> str:
        return next(self._lines)

    def _decoded(self, found: Found) -> Iterator[str]:
        total = 0
        with _opened(found) as (file, raw):
            packed = file is not raw
            while line := file.readline(LINE_LIMIT + 1):
                first = not total
                total += len(line)
                self.read = raw.tell() if packed else total
                _check_unpacked(total, found)
                if len(line) > LINE_LIMIT:
                    raise DataError(
                        f"{found.name}: a line of more than {size_text(LINE_LIMIT)}, which is the "
                        "limit; cut it"
                    )
                if first:
                    _check_utf16(line, found)
                    line = line.removeprefix(codecs.BOM_UTF8)
                yield line.decode("utf-8", "surrogateescape")


def _parquet(found: Found) -> Iterator[Item]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(found.path) as file:
            size, rows = fingerprint(found)[0], file.metadata.num_rows
            for batch in file.iter_batches(1000):
                for values in batch.to_pylist():
                    number += 1
                    read = size * number // max(rows, number)
                    yield Item(f"{found.name} row {number}", values=values, read=read)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{found.name}: not a Parquet file, or a damaged one") from error
    if not number:
        raise DataError(f"{found.name}: the file holds no rows")
