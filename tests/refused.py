"""What every refusal of bad input owes: one line, exit code 2, and nothing touched."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def hashes(folder: Path) -> dict[str, str]:
    """Of every file of a folder, by its path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@contextmanager
def untouched(*folders: Path) -> Iterator[None]:
    """Inside, no file of these folders is written, removed or added."""
    before = [hashes(folder) for folder in folders]
    yield
    assert [hashes(folder) for folder in folders] == before


def refused(answer: dict) -> str:
    """The one line that a refused command line of the forker says."""
    assert answer["code"] == 2, answer["said"]
    lines = answer["errors"].splitlines()
    assert len(lines) == 1, answer["errors"]
    assert "Traceback" not in answer["said"]
    return lines[0]
