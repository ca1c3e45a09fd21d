"""Cleaned copies of training files, and a ledger of every row that was changed or left out.

Rows of which nothing becomes keep their bytes in JSON lines. A Parquet file becomes JSON lines, an
archive is not copied. Nothing is ever written to the files themselves.
"""

import csv
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from madrigal.curation.curate import Curated
from madrigal.curation.finding import CheckName, short
from madrigal.curation.reading import raw_row
from madrigal.curation.remedies import CHANGES, DROPPED, Decision, decisions
from madrigal.curation.sources import Source
from madrigal.curation.stream import LINES, TABLES, Item, items
from madrigal.errors import DataError
from madrigal.tasks.find import ARCHIVE_SUFFIXES, TEXT_SUFFIXES, suffix_of
from madrigal.tasks.tables import DOCUMENT_END, rows_key

LEDGER = "ledger.jsonl"


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What was written: paths by the name of the original, and how many rows each lost."""

    copies: Mapping[str, Path]
    dropped: Mapping[str, int]
    changed: Mapping[str, int]
    notes: tuple[str, ...] = ()


def clean(
    found: Curated,
    out: Path,
    drop: Collection[CheckName] = DROPPED,
    change: Collection[CheckName] = tuple(CHANGES),
) -> Cleaned:
    """Copies of all training files under `out/clean`, and `out/ledger.jsonl`.

    Raises:
        DataError: a file cannot be read any more, or has changed.
    """
    decided = decisions(found.read(), drop, change)
    parts = _parts(found, decided)
    copies: dict[str, Path] = {}
    dropped: dict[str, int] = {}
    changed: dict[str, int] = {}
    notes: list[str] = []
    with (out / LEDGER).open("w", encoding="utf-8") as ledger:
        for source in found.table.sources.files:
            if source.split != "train":
                continue
            if suffix_of(source.found.path.name) in ARCHIVE_SUFFIXES:
                notes.append(f"{source.name}: an archive is not copied; unpack it yourself")
                continue
            rows = _Rows(source, decided, parts)
            path = _target(out, source, copies.values())
            path.parent.mkdir(parents=True, exist_ok=True)
            copies[source.name] = path
            entries = rows.written(path)
            told = [entry for entry in entries if entry is not None]
            ledger.writelines(json.dumps(one, ensure_ascii=False) + "\n" for one in told)
            dropped[source.name] = sum(one["action"] == "dropped" for one in told)
            changed[source.name] = len(told) - dropped[source.name]
    return Cleaned(copies, dropped, changed, tuple(notes))


def _parts(
    found: Curated, decided: Mapping[tuple[str, int], Decision]
) -> dict[tuple[str, int], int]:
    """How many examples a row holds, where it holds several."""
    table = found.table
    part, record, files = table.column("part"), table.column("record"), table.files()
    several: dict[tuple[str, int], int] = {}
    for k in part.nonzero()[0].tolist():
        key = (table.sources.files[int(files[k])].name, int(record[k]))
        if key in decided:
            several[key] = max(several.get(key, 0), int(part[k]) + 1)
    return several


def _target(out: Path, source: Source, taken: Iterable[Path]) -> Path:
    name = source.found.path.name.removesuffix(".gz")
    name = f"{name.removesuffix('.parquet')}.jsonl" if name.endswith(".parquet") else name
    folder = out / "clean" / source.task
    names = {path for path in taken if path.parent == folder}
    path = folder / name
    count = 1
    while path in names:
        count += 1
        path = folder / f"{count}-{name}"
    return path


@dataclass(frozen=True, slots=True)
class _Rows:
    source: Source
    decided: Mapping[tuple[str, int], Decision]
    parts: Mapping[tuple[str, int], int]

    def written(self, path: Path) -> list[dict[str, Any] | None]:
        """Writes the copy; what the ledger says of each row of which something becomes."""
        suffix = suffix_of(self.source.found.path.name)
        told: list[dict[str, Any] | None] = []
        kept = self._kept(told)
        if suffix == ".json":
            _write_json(path, self.source, dict(kept))
        elif suffix in TABLES:
            _write_table(path, (values for _, values in kept))
        elif suffix in TEXT_SUFFIXES:
            texts = [values["text"] if isinstance(values, dict) else "" for _, values in kept]
            path.write_text(f"\n{DOCUMENT_END}\n".join(texts), "utf-8")
        else:
            with path.open("wb") as file:
                for _, values in kept:
                    file.write(values if isinstance(values, bytes) else _line(values))
                    file.write(b"\n")
        return told

    def _kept(self, told: list[dict[str, Any] | None]) -> Iterator[tuple[int, Any]]:
        """Number and content of every row that stays: a line of JSON as it was, or values."""
        lines = suffix_of(self.source.found.path.name) in LINES
        for number, item in enumerate(items(self.source.found)):
            key = (self.source.name, number)
            decision = self.decided.get(key)
            if decision is not None and decision.dropped(self.parts.get(key, 1)):
                told.append(self._dropped(number, item, decision))
                continue
            try:
                if decision is None or not decision.changes:
                    same = item.line if lines else None
                    yield number, same if same is not None else self._values(item)
                    continue
                values = self._values(item)
            except DataError:
                # Kept as it is, where the user keeps what cannot be read.
                yield number, item.line if item.line is not None else {}
                continue
            after = decision.changed(values)
            if after != values:
                told.append(self._changed(number, item, decision, values, after))
            yield number, after

    def _values(self, item: Item) -> dict[str, Any]:
        return dict(raw_row(item, self.source.name).values)

    def _head(self, number: int, item: Item, action: str) -> dict[str, Any]:
        return {
            "task": self.source.task,
            "file": self.source.name,
            "where": item.where,
            "row": number,
            "action": action,
        }

    def _dropped(self, number: int, item: Item, decision: Decision) -> dict[str, Any]:
        why = [
            {"check": one.check, "evidence": one.evidence}
            | ({"stays": one.other} if one.other else {})
            for one in decision.drops
        ]
        return self._head(number, item, "dropped") | {"why": why}

    def _changed(
        self, number: int, item: Item, decision: Decision, before: Any, after: Any
    ) -> dict[str, Any]:
        """What was masked is shown as it is now alone."""
        hides = {"personal_data", "secret"} & set(decision.changes)
        fields = [name for name in after if after[name] != before.get(name)]
        told = {name: short(_said(after[name])) for name in fields}
        was = {} if hides else {"before": {name: short(_said(before[name])) for name in fields}}
        why = [{"check": name} for name in decision.changes]
        return self._head(number, item, "changed") | {"why": why} | was | {"after": told}


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _line(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")


def _write_table(path: Path, rows: Iterator[Any]) -> None:
    mark = "\t" if path.name.lower().endswith(".tsv") else ","
    with path.open("w", encoding="utf-8", newline="") as file:
        writer: Any = None
        for values in rows:
            if writer is None:
                writer = csv.DictWriter(file, list(values), delimiter=mark, lineterminator="\n")
                writer.writeheader()
            if values:
                writer.writerow(values)


def _write_json(path: Path, source: Source, kept: Mapping[int, Any]) -> None:
    """The file in its own shape: what stands beside the rows stays."""
    from madrigal.tasks.decode import decode, unpack

    data = unpack(source.found.path.read_bytes(), source.name)
    rows = [kept[number] for number in sorted(kept)]
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
            names = list(whole[key])
            whole[key] = {names[number]: kept[number] for number in sorted(kept)}
        else:
            whole[key] = rows
    else:
        whole = rows
    path.write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n", "utf-8")
