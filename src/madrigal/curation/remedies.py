"""What is done about findings: records that go, and texts that are changed.

Only training records are touched: held-out ones stay as they are, so that scores stay comparable.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from madrigal.curation.checks.characters import CONTROL, repaired_encoding
from madrigal.curation.checks.personal import people, secrets
from madrigal.curation.finding import CheckName, Finding
from madrigal.curation.table import TASK

Change = Callable[[str], str]

# Dropped unless the user keeps them. What needs a look is dropped only when asked.
DROPPED: tuple[CheckName, ...] = (
    "unreadable", "empty_answer", "exact_duplicate", "near_duplicate", "leak", "near_leak",
    "contamination",
)  # fmt: skip


def without_control(text: str) -> str:
    """The text without control characters and what stands for lost ones of no width."""
    return CONTROL.sub("", text)


def without_people(text: str) -> str:
    """`[mail]` in the place of an address, and so on for each kind."""
    return _masked(text, people(text))


def without_secrets(text: str) -> str:
    """`[AWS key]` in the place of a key."""
    return _masked(text, secrets(text))


def _masked(text: str, spans: Iterable[tuple[int, int, str]]) -> str:
    for start, end, kind in sorted(spans, reverse=True):
        text = f"{text[:start]}[{kind}]{text[end:]}"
    return text


_LEFT_OVER = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#\d{2,5}|#x[0-9a-fA-F]{2,5});")


def repaired(text: str) -> str:
    """Mojibake and left-over marks of HTML undone; lost bytes stay lost."""
    from html import unescape

    return _LEFT_OVER.sub(lambda match: unescape(match[0]), repaired_encoding(text))


CHANGES: Mapping[CheckName, Change] = {
    "encoding": repaired,
    "control_characters": without_control,
    "secret": without_secrets,
    "personal_data": without_people,
}


@dataclass(slots=True)
class Decision:
    """What becomes of a row, and why."""

    drops: list[Finding] = field(default_factory=list)
    changes: list[CheckName] = field(default_factory=list)

    def dropped(self, parts: int) -> bool:
        """A row of several examples goes only where each of them does."""
        return len({one.part for one in self.drops}) >= max(1, parts) if self.drops else False

    def changed(self, value: Any) -> Any:
        """A value of the row with every text in it changed."""
        if isinstance(value, str):
            for name in self.changes:
                value = CHANGES[name](value)
            return value
        if isinstance(value, list):
            return [self.changed(one) for one in value]
        if isinstance(value, dict):
            return {key: self.changed(one) for key, one in value.items()}
        return value


def decisions(
    findings: Iterable[Finding], drop: Collection[CheckName], change: Collection[CheckName]
) -> dict[tuple[str, int], Decision]:
    """By file and row, for those rows of which something becomes."""
    found: dict[tuple[str, int], Decision] = {}
    for one in findings:
        if one.split != "train" or one.record == TASK:
            continue
        if one.check in drop:
            found.setdefault((one.file, one.record), Decision()).drops.append(one)
        elif one.check in change:
            mine = found.setdefault((one.file, one.record), Decision()).changes
            # In the order of CHANGES: repaired text shows addresses that broken text hid.
            mine[:] = [name for name in CHANGES if name in {*mine, one.check}]
    return found
