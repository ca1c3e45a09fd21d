"""What is done about findings: records that go, and texts that are changed.

Only training records are touched: held-out ones stay as they are, so that scores stay comparable.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from madrigal.curation.balance import Balance
from madrigal.curation.checks.characters import CONTROL, repaired_encoding
from madrigal.curation.checks.personal import people, secrets
from madrigal.curation.finding import CheckName, Finding
from madrigal.curation.normal import WAYS, Way, normal
from madrigal.curation.relabel import relabelled
from madrigal.curation.review import Reviewed
from madrigal.curation.sources import Source
from madrigal.curation.table import TASK

Change = Callable[[str], str]
Place = tuple[str, str, int]  # task, file, and row in it

# Dropped unless the user keeps them. What needs a look is dropped only when asked.
DROPPED: tuple[CheckName, ...] = (
    "unreadable", "empty_answer", "exact_duplicate", "near_duplicate", "leak", "near_leak",
    "contamination",
)  # fmt: skip
_DUPLICATES: frozenset[CheckName] = frozenset({"exact_duplicate", "near_duplicate"})


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


@dataclass(frozen=True, slots=True)
class Orders:
    """What is to be done about findings, and what else. A person's decision comes before rules."""

    drop: Collection[CheckName] = DROPPED
    change: Collection[CheckName] = tuple(CHANGES)
    normalise: Collection[Way] = ()
    relabel: float | None = None  # the label that a check is at least so sure of
    balance: Balance | None = None
    reviewed: Mapping[tuple[str, int], Reviewed] = field(default_factory=dict)


@dataclass(slots=True)
class Decision:
    """What becomes of a row, and why."""

    drops: list[Finding] = field(default_factory=list)
    changes: list[CheckName] = field(default_factory=list)
    relabel: Finding | None = None
    reviewed: Reviewed | None = None
    normalise: Collection[Way] = ()

    def dropped(self, parts: int) -> bool:
        """A row of several examples goes only where each of them does."""
        if self.reviewed is not None:
            return self.reviewed.action == "drop"
        return len({one.part for one in self.drops}) >= max(1, parts) if self.drops else False

    @property
    def stays_as_it_is(self) -> bool:
        """Whether nothing can change the row."""
        if self.reviewed is not None:
            return self.reviewed.action != "fix"
        return not (self.changes or self.relabel or self.normalise)

    def after(self, values: Mapping[str, Any], source: Source) -> tuple[dict[str, Any], list[str]]:
        """The row as it is to be, and the names of what changed it."""
        if self.reviewed is not None:
            fixed = self.reviewed.values
            return (dict(values), []) if fixed is None else (dict(fixed), ["review"])
        why: list[str] = []
        found = dict(values)
        if self.changes and (changed := self.changed(found)) != found:
            found, why = changed, [*why, *self.changes]
        if self.relabel is not None:
            old, new = self.relabel.given, self.relabel.instead
            changed = relabelled(found, source, old, new)
            if changed is not None:
                found, why = changed, [*why, "label_noise"]
        if self.normalise and (changed := normal(found, self.normalise)) != found:
            ways = [way for way in WAYS if way in self.normalise]
            found, why = changed, [*why, *(f"normalise {way}" for way in ways)]
        return found, why

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


def decisions(findings: Iterable[Finding], orders: Orders) -> dict[Place, Decision]:
    """By task, file and row, for those rows of which something becomes by rule.

    Several tasks may learn from a file, each from other fields of it. What a person decided
    about a row (`Orders.reviewed`) holds for all of them.
    """
    found: dict[Place, Decision] = {}
    for one in findings:
        if one.split != "train" or one.record == TASK:
            continue
        place = (one.task, one.file, one.record)
        if one.check in orders.drop:
            found.setdefault(place, Decision()).drops.append(one)
        elif one.check in orders.change:
            mine = found.setdefault(place, Decision()).changes
            # In the order of CHANGES: repaired text shows addresses that broken text hid.
            mine[:] = [name for name in CHANGES if name in {*mine, one.check}]
        if orders.relabel is not None and one.instead and one.chance >= orders.relabel:
            found.setdefault(place, Decision()).relabel = one
    for decision in found.values():
        decision.normalise = orders.normalise
    _name_what_stays(found, orders)
    return found


def _name_what_stays(found: Mapping[Place, Decision], orders: Orders) -> None:
    """Where a duplicate goes for a record that goes for a third, names the third."""
    stays: dict[tuple[str, str], str] = {}
    for (task, file, row), decision in found.items():
        if (file, row) not in orders.reviewed:
            for one in decision.drops:
                if one.check in _DUPLICATES:
                    stays.setdefault((task, one.where), one.other)
    for (task, _, _), decision in found.items():
        for number, one in enumerate(decision.drops):
            other, seen = one.other, {one.where}
            while one.check in _DUPLICATES and (task, other) in stays and other not in seen:
                seen.add(other)
                other = stays[task, other]
            if other != one.other:
                decision.drops[number] = replace(one, other=other)
