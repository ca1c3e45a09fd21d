"""Which records a person is asked about, in which order, with the rows as they stand."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from madrigal.curation.finding import CheckName, Finding
from madrigal.curation.remedies import CHANGES, DROPPED
from madrigal.curation.sources import Source, Sources
from madrigal.curation.stream import Item, items
from madrigal.curation.table import TASK

Place = tuple[str, int]  # file, and row in it
_ORDER = ("error", "warning", "note")
# What a cleaned copy puts right by itself; shown only where it is asked for.
_BY_RULE: frozenset[CheckName] = frozenset((*DROPPED, *CHANGES))


@dataclass(slots=True)
class Case:
    """A row and all that was found about it."""

    source: Source
    item: Item
    findings: list[Finding] = field(default_factory=list)
    others: dict[str, Item] = field(default_factory=dict)  # rows it is compared with, by place

    @property
    def place(self) -> Place:
        return self.findings[0].file, self.findings[0].record

    @property
    def instead(self) -> Finding | None:
        """The finding that has another label to offer."""
        return next((one for one in self.findings if one.instead), None)


def cases(
    sources: Sources, findings: Iterable[Finding], only: Collection[CheckName] = ()
) -> list[Case]:
    """The training rows to look at: those of errors first, of each kind the worst first.

    Without `only` those that a cleaned copy would not put right by itself.

    Raises:
        DataError: a file cannot be read any more.
    """
    files = {(one.task, one.name): one for one in sources.files if one.split == "train"}
    found: dict[Place, list[Finding]] = {}
    for one in findings:
        if one.record != TASK and one.split == "train" and (one.task, one.file) in files:
            found.setdefault((one.file, one.record), []).append(one)
    wanted = {
        place: some for place, some in found.items() if any(_asked(one, only) for one in some)
    }
    rows, others = _rows(sources, wanted)
    made = []
    for place, some in wanted.items():
        if place in rows:
            ranked = sorted(some, key=lambda one: _rank(one, only))
            compared = {one.other: others[one.other] for one in some if one.other in others}
            # Of several tasks that learn from a row it is shown as that of the gravest finding.
            source = files[ranked[0].task, place[0]]
            made.append(Case(source, rows[place], ranked, compared))
    return sorted(made, key=lambda case: (_rank(case.findings[0], only), case.place))


def _asked(one: Finding, only: Collection[CheckName]) -> bool:
    return one.check in only if only else one.check not in _BY_RULE


def _rank(one: Finding, only: Collection[CheckName]) -> tuple[bool, int, float]:
    return not _asked(one, only), _ORDER.index(one.severity), -one.score


def _rows(
    sources: Sources, wanted: Mapping[Place, Iterable[Finding]]
) -> tuple[dict[Place, Item], dict[str, Item]]:
    """The rows themselves, and those that they are compared with."""
    compared = {one.other for some in wanted.values() for one in some if one.other}
    rows: dict[Place, Item] = {}
    others: dict[str, Item] = {}
    for source in sources.files:
        for number, item in enumerate(items(source.found)):
            if (source.name, number) in wanted:
                rows[source.name, number] = item
            if item.where in compared:
                others[item.where] = item
    return rows, others
