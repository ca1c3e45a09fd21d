"""Cleaned copies of training files, and a ledger of every row that was changed, copied or left out.

Rows of which nothing becomes keep their bytes in JSON lines. A Parquet file becomes JSON lines, an
archive is not copied. Nothing is ever written to the files themselves.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from shutil import rmtree
from typing import Any

from madrigal.curation.balance import Plan
from madrigal.curation.curate import Curated
from madrigal.curation.remedies import Orders, Place, decisions
from madrigal.curation.rows import Rows
from madrigal.curation.sources import Source
from madrigal.curation.work import key_of
from madrigal.curation.written import write_copy
from madrigal.errors import DataError
from madrigal.tasks.find import ARCHIVE_SUFFIXES, suffix_of

LEDGER = "ledger.jsonl"
CLEANED = "clean.json"
_ASIDE = ".clean"  # where everything is written first
_EXAMPLES = 3  # lines of the ledger that a run's page shows


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What was written: paths by the name of the original, and its task where several learn from
    it, and how many rows each lost."""

    copies: Mapping[str, Path]
    dropped: Mapping[str, int]
    changed: Mapping[str, int]
    added: Mapping[str, int]
    notes: tuple[str, ...] = ()


def clean(found: Curated, out: Path, orders: Orders | None = None) -> Cleaned:
    """Copies of all training files under `out/clean`, `out/ledger.jsonl` and `out/clean.json`.

    They take the place of former ones once all are written.

    Raises:
        DataError: a file cannot be read any more, or is another than was curated.
    """
    orders = orders or Orders()
    sources, notes = _to_copy(found)
    rows = Rows(decisions(found.read(), orders), orders, _parts(found))
    plan = Plan()
    for task in dict.fromkeys(one.task for one in sources) if orders.balance is not None else ():
        plan.merge(rows.balanced(task, [one for one in sources if one.task == task]))
    aside = out / _ASIDE
    rmtree(aside, ignore_errors=True)
    copies: dict[str, Path] = {}
    counts: dict[str, Counter[str]] = {}
    said: list[dict[str, Any]] = []
    names = Counter(one.name for one in sources)
    try:
        aside.mkdir(parents=True)
        with (aside / LEDGER).open("w", encoding="utf-8") as ledger:
            for source in sources:
                name = source.name if names[source.name] == 1 else f"{source.name} ({source.task})"
                path = copies[name] = _target(source, copies.values())
                _check_apart(out / path, found)
                (aside / path).parent.mkdir(parents=True, exist_ok=True)
                entries: list[dict[str, Any]] = []
                written = rows.written(source, plan, entries)
                total = write_copy(aside / path, source, written, bool(plan.copies))
                ledger.writelines(json.dumps(one, ensure_ascii=False) + "\n" for one in entries)
                counts[name] = Counter(one["action"] for one in entries)
                said.append(_summary(source, path, aside, total, entries))
        told = json.dumps(said, indent=1, ensure_ascii=False) + "\n"
        (aside / CLEANED).write_text(told, "utf-8")
        for path in (*copies.values(), Path(LEDGER), Path(CLEANED)):
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            (aside / path).replace(out / path)
    finally:
        rmtree(aside, ignore_errors=True)
    dropped, changed, added = (
        {name: count[action] for name, count in counts.items()}
        for action in ("dropped", "changed", "added")
    )
    paths = {name: out / path for name, path in copies.items()}
    return Cleaned(paths, dropped, changed, added, (*notes, *plan.notes, *rows.notes()))


def _check_apart(path: Path, found: Curated) -> None:
    """DataError where a copy would lie where an original does, by whatever links."""
    for source in found.table.sources.files:
        if path.resolve() == source.found.path.resolve():
            raise DataError(f"{path}: leads to {source.name} itself; choose another --out")


def _to_copy(found: Curated) -> tuple[list[Source], list[str]]:
    """Training files that can be copied, as they were when they were curated."""
    sources = found.table.sources
    if found.table.paths and found.table.paths[0].parent.name != key_of(sources):
        raise DataError("a file changed since it was curated; curate again, then clean")
    train = [one for one in sources.files if one.split == "train"]
    packed = [one for one in train if suffix_of(one.found.path.name) in ARCHIVE_SUFFIXES]
    notes = [f"{one.name}: an archive is not copied; unpack it yourself" for one in packed]
    return [one for one in train if one not in packed], notes


def _summary(
    source: Source, path: Path, folder: Path, total: tuple[int, int], entries: list[dict[str, Any]]
) -> dict[str, Any]:
    """What a run that trains on the copy can tell of it."""
    rows: dict[str, Counter[str]] = {}
    for one in entries:
        mine = rows.setdefault(one["action"], Counter())
        times = one.get("copies", 1)
        mine["all"] += times
        for check in dict.fromkeys(why["check"] for why in one["why"]):
            mine[check] += times
    with (folder / path).open("rb") as copy, source.found.path.open("rb") as original:
        digests = [file_digest(file, "sha256").hexdigest() for file in (original, copy)]
    return {
        "original": source.name,
        "original_sha256": digests[0],
        "copy": path.as_posix(),
        "sha256": digests[1],
        "before": total[0],
        "after": total[1],
        "rows": {name: dict(count) for name, count in sorted(rows.items())},
        "examples": [
            one
            for action in ("dropped", "changed", "added")
            for one in [entry for entry in entries if entry["action"] == action][:_EXAMPLES]
        ],
    }


def _parts(found: Curated) -> dict[Place, int]:
    """How many examples a row holds, where it holds several."""
    table = found.table
    part, record, files = table.column("part"), table.column("record"), table.files()
    several: dict[Place, int] = {}
    for k in part.nonzero()[0].tolist():
        source = table.sources.files[int(files[k])]
        key = (source.task, source.name, int(record[k]))
        several[key] = max(several.get(key, 0), int(part[k]) + 1)
    return several


def _target(source: Source, taken: Iterable[Path]) -> Path:
    """Where a copy lies in the folder."""
    name = source.found.path.name.removesuffix(".gz")
    name = f"{name.removesuffix('.parquet')}.jsonl" if name.endswith(".parquet") else name
    folder = Path("clean", source.task)
    names = {path for path in taken if path.parent == folder}
    path = folder / name
    count = 1
    while path in names:
        count += 1
        path = folder / f"{count}-{name}"
    return path
