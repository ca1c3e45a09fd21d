"""Groups of rows made equally large, by leaving some out or by marked copies.

Which rows go or are copied follows from what they say: equal files give equal copies, and where a
row stands changes nothing for the others. Training draws evenly over a field without any copies
(`within` in a mixture); this is for files that other programs read.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

How = Literal["down", "up", "stratified"]
HOWS: tuple[How, ...] = ("down", "up", "stratified")
MOST_COPIES = 10  # of a row
COPY_OF = "copy_of"  # the field that marks a copy

Row = tuple[str, str, int]  # task, file, and number in it


@dataclass(frozen=True, slots=True)
class Balance:
    """What is asked for: `by` names a field, or `label`, which means the answer."""

    how: How
    by: str = "label"


@dataclass(slots=True)
class Plan:
    """What becomes of rows, by task, file and number, with the reason."""

    dropped: dict[Row, str] = field(default_factory=dict)
    copies: dict[Row, tuple[int, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def merge(self, other: "Plan") -> None:
        """Adds what is planned for another task."""
        self.dropped |= other.dropped
        self.copies |= other.copies
        self.notes += other.notes


@dataclass(frozen=True, slots=True)
class Member:
    """A row that could stay: its group, its label, and what decides its turn."""

    row: Row
    group: str
    label: str
    content: bytes

    @property
    def turn(self) -> bytes:
        """Its place among others: by a hash of what it says, then by where it stands."""
        own = blake2b(self.content, digest_size=8).digest()
        _, file, number = self.row
        return own + file.encode() + number.to_bytes(8, "big")


def planned(task: str, members: Sequence[Member], balance: Balance) -> Plan:
    """What makes the groups of one task equally large.

    down: each group is cut to the size of the smallest. up: rows of smaller groups are copied, each
    as often as the others but for one, at most 10 times. stratified: in each group the labels are
    cut to the size of the rarest there, so that the group tells nothing about the label.
    """
    if balance.how == "stratified":
        plan = Plan()
        for group, some in _groups(members, lambda one: one.group).items():
            _cut(plan, _groups(some, lambda one: one.label), f"of {balance.by} {group!r} ")
        return plan
    groups = _groups(members, lambda one: one.group)
    plan = Plan()
    if balance.how == "down":
        _cut(plan, groups, "")
    else:
        _fill(plan, groups, task)
    return plan


def _groups(members: Sequence[Member], key: Callable[[Member], str]) -> dict[str, list[Member]]:
    """By group, and in a group by turn."""
    found: dict[str, list[Member]] = {}
    for one in members:
        found.setdefault(key(one), []).append(one)
    return {name: sorted(found[name], key=lambda one: one.turn) for name in sorted(found)}


def _cut(plan: Plan, groups: Mapping[str, Sequence[Member]], where: str) -> None:
    size = min(map(len, groups.values()), default=0)
    for name, some in groups.items():
        for one in some[size:]:
            plan.dropped[one.row] = f"{where}{name!r}: {size:,} of {len(some):,} stay"


def _fill(plan: Plan, groups: Mapping[str, Sequence[Member]], task: str) -> None:
    size = max(map(len, groups.values()), default=0)
    for name, some in groups.items():
        each, more = divmod(size - len(some), len(some))
        if each >= MOST_COPIES:
            each, more = MOST_COPIES, 0
            most = len(some) * (MOST_COPIES + 1)
            plan.notes.append(
                f"{task}: {name!r} grows to {most:,} of {size:,}: a row is copied {MOST_COPIES} "
                "times at most"
            )
        for place, one in enumerate(some):
            count = each + (place < more)
            if count:
                plan.copies[one.row] = (count, f"{name!r}: {len(some):,} rows, {size:,} wanted")
