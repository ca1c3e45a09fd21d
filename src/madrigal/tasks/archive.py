"""Data files inside archives, read in memory: nothing is ever unpacked to disk."""

import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from madrigal.errors import DataError
from madrigal.tasks.decode import UNPACKED_LIMIT, size_text
from madrigal.tasks.find import DATA_SUFFIXES, TEXT_SUFFIXES, Found, suffix_of


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    size: int  # bytes, as the archive says
    plain: bool  # a regular file: no link, no device


def members(data: bytes, found: Found) -> list[tuple[str, bytes]]:
    """Names and contents of an archive's data files, or of the one member asked for.

    DataError if any member leaves the archive's folder, is a link or a device, or if all together
    are larger than the limit.
    """
    try:
        if found.path.name.lower().endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                return _chosen(_zip_members(archive), archive.read, found)
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            return _chosen(_tar_members(archive), lambda name: _tar_read(archive, name), found)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError) as error:
        # tarfile tells on lines of their own what it tried.
        said = str(error).partition("\n")[0].rstrip(":")
        raise DataError(f"{found.name}: not an archive, or a damaged one ({said})") from error


def _zip_members(archive: zipfile.ZipFile) -> Iterator[_Member]:
    for info in archive.infolist():
        if info.flag_bits & 0x1:
            raise DataError(f"{archive.filename or 'archive'}: {info.filename} is encrypted")
        link = (info.external_attr >> 16) & 0o170000 == 0o120000
        if not info.is_dir():
            yield _Member(info.filename, info.file_size, not link)


def _tar_members(archive: tarfile.TarFile) -> Iterator[_Member]:
    for info in archive:
        if not info.isdir():
            yield _Member(info.name, info.size, info.isreg())


def _tar_read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    return file.read() if file else b""


def _chosen(
    listed: Iterable[_Member], read: Callable[[str], bytes], found: Found
) -> list[tuple[str, bytes]]:
    known: list[str] = []
    total = 0
    outer = found.name if found.member is None else found.name.removesuffix(f"/{found.member}")
    for member in listed:
        _check(member, outer)
        total += member.size
        if total > UNPACKED_LIMIT:
            raise DataError(f"{outer}: unpacks to more than {size_text(UNPACKED_LIMIT)}")
        if suffix_of(member.name) in (*DATA_SUFFIXES, *TEXT_SUFFIXES):
            known.append(member.name)
    if found.member is not None:
        known = [name for name in known if PurePosixPath(name) == PurePosixPath(found.member)]
    if not known:
        what = f"no data file '{found.member}'" if found.member else "no data file"
        raise DataError(f"{outer}: {what} in the archive")
    return [(f"{outer}/{name}", read(name)) for name in sorted(known)]


def _check(member: _Member, outer: str) -> None:
    path = PurePosixPath(member.name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise DataError(f"{outer}: the member '{member.name}' leaves the archive's folder; refused")
    if not member.plain:
        raise DataError(f"{outer}: the member '{member.name}' is a link or device; refused")
