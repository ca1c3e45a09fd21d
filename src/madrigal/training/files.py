"""Files that are whole or absent, and what a full disk says."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from madrigal.errors import RunStopped


def flush(path: Path) -> None:
    """Until the file or folder itself is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def disk_full_stops(what: str) -> Iterator[None]:
    """Turn a full disk into a stop of the run with its reason."""
    try:
        yield
    except OSError as problem:
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RunStopped(_disk_full(what)) from problem
        raise
    except Exception as problem:  # safetensors wraps the operating system's error
        if "No space left" in str(problem) or "os error 28" in str(problem):
            raise RunStopped(_disk_full(what)) from problem
        raise


def _disk_full(what: str) -> str:
    return (
        f"disk full while writing {what}; the last checkpoint is intact: "
        "make room and go on with --resume"
    )


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old or the new one, never a part."""
    aside = path.with_name(path.name + ".aside")
    try:
        with disk_full_stops(path.name):
            aside.write_text(text, encoding="utf-8")
            flush(aside)
            aside.replace(path)
            flush(path.parent)
    finally:
        aside.unlink(missing_ok=True)


@contextlib.contextmanager
def written_whole(folder: Path) -> Iterator[Path]:
    """A folder to write to, which takes the other's place when all of it is on the disk."""
    aside = folder.with_name(f".aside-{folder.name}")
    shutil.rmtree(aside, ignore_errors=True)
    with disk_full_stops(folder.name):
        aside.mkdir(parents=True)
        yield aside
        for path in (*aside.rglob("*"), aside):
            flush(path)
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)
