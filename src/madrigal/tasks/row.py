"""One row of a data file, before anybody knows what it means."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from madrigal.errors import DataError

LISTED_PER_FILE = 5
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Row:
    """The values of one row, where it stands, and what its file says about all rows."""

    file: str  # "reviews.jsonl", as shown in messages
    where: str  # "reviews.jsonl:41"
    values: Mapping[str, Any]
    header: Mapping[str, Any] = field(
        default_factory=lambda: NOTHING
    )  # the other keys of a JSON object that holds the rows


@dataclass(slots=True)
class Mistakes:
    """Collects sentences, so that a user sees all mistakes at once and no flood of them."""

    by_file: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, file: str, sentences: str | Iterable[str]) -> None:
        self.by_file[file].extend((sentences,) if isinstance(sentences, str) else sentences)

    def sentences(self) -> tuple[str, ...]:
        """At most five a file, then how many more there are."""
        lines: list[str] = []
        for file, found in self.by_file.items():
            lines += found[:LISTED_PER_FILE]
            if len(found) > LISTED_PER_FILE:
                lines.append(f"{file}: and {len(found) - LISTED_PER_FILE} more")
        return tuple(lines)

    def raise_any(self) -> None:
        if self.by_file:
            raise DataError(self.sentences())


def quoted(names: Iterable[str], limit: int = 12) -> str:
    """`'a', 'b' and 3 more`."""
    listed = list(names)
    shown = ", ".join(f"'{name}'" for name in listed[:limit])
    more = len(listed) - limit
    return f"{shown} and {more} more" if more > 0 else shown or "nothing"
