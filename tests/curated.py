"""Small data to curate."""

import json
from collections.abc import Sequence
from pathlib import Path

from madrigal.curation import Curated, curate, of_files


def write(path: Path, rows: Sequence[dict]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path.name


def curated(folder: Path, train: Sequence[dict], test: Sequence[dict] = (), **more) -> Curated:
    write(folder / "t" / "train.jsonl", train)
    if test:
        write(folder / "t" / "test.jsonl", test)
    return curate(of_files(["t"], folder), folder / "out", **more)


def told(found: Curated, check: str, split: str = "") -> dict[str, tuple[str, str]]:
    """Place -> what it is compared with, and the evidence."""
    return {
        one.where.removeprefix("t/"): (one.other.removeprefix("t/"), one.evidence)
        for one in found.read()
        if one.check == check and split in ("", one.split)
    }
