"""Bytes of a file as text, with a plain word about what is wrong with them."""

import codecs
import io
import zlib
from gzip import BadGzipFile, GzipFile

from madrigal.errors import DataError

# Limits against files made to exhaust memory; real training files stay far below.
UNPACKED_LIMIT = 2 * 2**30  # bytes of one packed file once unpacked
LINE_LIMIT = 64 * 2**20  # characters of one line of a table

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def unpack(data: bytes, name: str) -> bytes:
    """The content of a .gz file. DataError if it is damaged or larger than the limit."""
    if not name.lower().endswith(".gz"):
        return data
    try:
        with GzipFile(fileobj=io.BytesIO(data)) as file:
            content = file.read(UNPACKED_LIMIT + 1)
    except (BadGzipFile, zlib.error) as error:
        raise DataError(f"{name}: not a gzip file, or a damaged one ({error})") from error
    except EOFError as error:
        raise DataError(f"{name}: the gzip file ends early; copy it again") from error
    if len(content) > UNPACKED_LIMIT:
        raise DataError(
            f"{name}: unpacks to more than {size_text(UNPACKED_LIMIT)}; unpack it yourself"
        )
    return content


def decode(data: bytes, name: str) -> str:
    """UTF-8 text, with or without a byte-order mark. DataError for anything else."""
    if data.startswith(_UTF16):
        raise DataError(f"{name}: this is UTF-16; convert it: iconv -f UTF-16 -t UTF-8")
    zero = data.find(b"\0")
    if zero >= 0:
        raise DataError(
            f"{name}: a NUL byte at offset {zero}; this is a binary file or not UTF-8 text"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The decoder counts from after a byte-order mark.
        offset = error.start + (3 if data.startswith(codecs.BOM_UTF8) else 0)
        line = data.count(b"\n", 0, offset) + 1
        raise DataError(
            f"{name}:{line}: byte 0x{data[offset]:02x} at offset {offset} is not UTF-8; "
            "if the file is Windows-1252, convert it: iconv -f WINDOWS-1252 -t UTF-8"
        ) from error


def lines_of(text: str, name: str) -> list[str]:
    """Lines without their ends. Only newlines end a line: U+2028 may stand inside a JSON string."""
    lines = text.replace("\r\n", "\n").split("\n")
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_LIMIT:
            size, limit = size_text(len(line)), size_text(LINE_LIMIT)
            raise DataError(f"{name}:{number}: a line of {size}; the limit is {limit}")
    return lines


def size_text(count: int) -> str:
    """A number of bytes or characters for people."""
    return f"{count / 2**30:.0f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
