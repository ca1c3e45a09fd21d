"""From what the user wrote as a path to the files it means."""

import difflib
import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from madrigal.errors import DataError
from madrigal.tasks.row import quoted

TEXT_SUFFIXES = (".txt", ".text", ".md")
DATA_SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
DATA_VARIABLE = "$MADRIGAL_DATA"


@dataclass(frozen=True, slots=True)
class Found:
    """A file, how messages call it, and the member to read where it is an archive."""

    path: Path
    name: str
    member: str | None = None


def find_files(paths: str | Sequence[str], root: Path) -> list[Found]:
    """All files that `paths` (files, glob patterns, folders) name, in a fixed order.

    Relative paths start at `root`. DataError with every path that names nothing.
    """
    found: list[Found] = []
    mistakes: list[str] = []
    for path in (paths,) if isinstance(paths, str) else paths:
        try:
            found += _find(path, root)
        except DataError as error:
            mistakes += error.mistakes
    if mistakes:
        raise DataError(mistakes)
    return found


def suffix_of(name: str) -> str:
    """The suffix that tells the format, without `.gz`: `.jsonl` of `a.jsonl.gz`."""
    lowered = name.lower()
    for suffix in ARCHIVE_SUFFIXES:
        if lowered.endswith(suffix):
            return suffix
    return Path(lowered.removesuffix(".gz")).suffix


def _find(written: str, root: Path) -> list[Found]:
    expanded = _expand(written)
    path = root / expanded
    if path.is_file():
        return [Found(path, written)]
    if path.is_dir():
        return _folder(path, written)
    if glob.has_magic(expanded):
        return _pattern(expanded, written, root)
    for parent in path.parents:
        if parent.is_file() and suffix_of(parent.name) in ARCHIVE_SUFFIXES:
            return [Found(parent, written, path.relative_to(parent).as_posix())]
    raise DataError(f"{written}: no such file{_suggestion(path)}")


def _expand(written: str) -> str:
    if not written.startswith(DATA_VARIABLE):
        return os.path.expanduser(written)
    folder = os.environ.get(DATA_VARIABLE[1:])
    if not folder:
        raise DataError(f"{written}: the environment variable {DATA_VARIABLE[1:]} is not set")
    return folder + written.removeprefix(DATA_VARIABLE)


def _folder(path: Path, written: str) -> list[Found]:
    files = sorted(f for f in path.rglob("*") if f.is_file() and not _hidden(f, path))
    texts = [f for f in files if suffix_of(f.name) in TEXT_SUFFIXES]
    if not texts:
        there = quoted((f.relative_to(path).as_posix() for f in files), limit=4)
        raise DataError(f"{written}: a folder without text files (.txt); it holds {there}")
    shown = written.rstrip("/")
    return [Found(f, f"{shown}/{f.relative_to(path).as_posix()}") for f in texts]


def _hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def _pattern(expanded: str, written: str, root: Path) -> list[Found]:
    names = sorted(glob.glob(expanded, root_dir=root, recursive=True))
    files = [Found(root / name, name) for name in names if (root / name).is_file()]
    if not files:
        raise DataError(f"{written}: no file matches this pattern")
    return files


def _suggestion(path: Path) -> str:
    if path.is_symlink():
        return f"; the link points to '{os.readlink(path)}', which does not exist"
    if not path.parent.is_dir():
        return f"; there is no folder '{path.parent.name}'"
    near = difflib.get_close_matches(path.name, [p.name for p in path.parent.iterdir()], n=2)
    return f"; did you mean {' or '.join(repr(name) for name in near)}?" if near else ""
