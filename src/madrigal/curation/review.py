"""What a person decided about records, kept line by line; the last word about a row counts."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from madrigal.curation.stream import Item
from madrigal.errors import DataError

DECISIONS = "decisions.jsonl"
Action = Literal["keep", "drop", "fix"]
_ACTIONS = ("keep", "drop", "fix", "undo")

Place = tuple[str, int]  # file, and row in it


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A decision about one row. `digest` tells whether the row is still the one that was seen."""

    file: str
    record: int
    where: str
    action: Action
    digest: str
    check: str = ""  # what it was shown for
    values: Mapping[str, Any] | None = None  # the row as it should be, of a fix

    @property
    def place(self) -> Place:
        return self.file, self.record

    def check_same(self, item: Item) -> None:
        """DataError where the row is another than the one that was decided about."""
        if digest_of(item) != self.digest:
            raise DataError(
                f"{item.where}: another row than the one that was reviewed; curate and review again"
            )


def digest_of(item: Item) -> str:
    """Sixteen hex digits of a row as it stands in its file."""
    if item.line is not None:
        return sha256(item.line).hexdigest()[:16]
    said = json.dumps(dict(item.values), ensure_ascii=True, sort_keys=True, default=str)
    return sha256(said.encode()).hexdigest()[:16]


class Decisions:
    """The decisions of a folder. Each is a line of its own, on the disk before the next is asked
    for."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / DECISIONS
        self._made: dict[Place, list[Reviewed]] = {}
        self._order: list[Place] = []
        self.unread = 0  # lines that are no decisions, as one that was cut off
        lines = self.path.read_bytes().split(b"\n") if self.path.exists() else []
        for said in (_parsed(line) for line in lines if line.strip()):
            if _is_ours(said):
                self._take(said)
            else:
                self.unread += 1

    def __contains__(self, place: Place) -> bool:
        return bool(self._made.get(place))

    def __len__(self) -> int:
        return len(self.now())

    def now(self) -> dict[Place, Reviewed]:
        """The last decision about each row that has one."""
        return {place: made[-1] for place, made in self._made.items() if made}

    def decide(self, decision: Reviewed) -> None:
        """Keep a decision."""
        self._write(
            {
                "file": decision.file,
                "record": decision.record,
                "where": decision.where,
                "action": decision.action,
                "digest": decision.digest,
                "check": decision.check,
                **({} if decision.values is None else {"values": dict(decision.values)}),
            }
        )

    def undo(self) -> Place | None:
        """Take back the last decision that stands; the row that it was about."""
        if not self._order:
            return None
        file, record = self._order[-1]
        self._write({"file": file, "record": record, "action": "undo"})
        return file, record

    def _write(self, said: Mapping[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        torn = self.path.exists() and self.path.read_bytes()[-1:] not in (b"", b"\n")
        with self.path.open("ab") as file:
            line = json.dumps(said, ensure_ascii=False).encode("utf-8", "surrogatepass")
            file.write((b"\n" if torn else b"") + line + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._take(said)

    def _take(self, said: Mapping[str, Any]) -> None:
        place = (said["file"], said["record"])
        if said["action"] == "undo":
            if self._made.get(place):
                self._made[place].pop()
            if place in self._order:
                del self._order[len(self._order) - 1 - self._order[::-1].index(place)]
            return
        self._made.setdefault(place, []).append(
            Reviewed(
                *place, said["where"], said["action"], said["digest"], said.get("check", ""),
                said.get("values"),
            )
        )  # fmt: skip
        self._order.append(place)


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _is_ours(said: Any) -> bool:
    if not isinstance(said, dict) or said.get("action") not in _ACTIONS:
        return False
    named = isinstance(said.get("file"), str) and isinstance(said.get("record"), int)
    return named and (said["action"] == "undo" or isinstance(said.get("digest"), str))
