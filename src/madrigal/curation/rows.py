"""Rows of training files as a cleaned copy will have them, each with what the ledger says."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from madrigal.curation.balance import COPY_OF, Member, Plan, planned
from madrigal.curation.finding import short
from madrigal.curation.reading import raw_row, row_of, samples
from madrigal.curation.remedies import Decision, Orders, Place
from madrigal.curation.sample import Sample, Told
from madrigal.curation.sources import Source, side_of
from madrigal.curation.stream import LINES, Item, items
from madrigal.errors import DataError
from madrigal.tasks.find import suffix_of
from madrigal.tasks.formats.base import Format, scalar
from madrigal.tasks.formats.detect import choose_format


class Rows:
    """Rows of files as they are to be, and what is said of each."""

    def __init__(
        self, decided: Mapping[Place, Decision], orders: Orders, parts: Mapping[Place, int]
    ) -> None:
        self._decided, self._orders, self._parts = decided, orders, parts
        self._unplain = 0  # rows whose label stands where nobody can tell
        self._moved = 0  # rows that as they are changed are held out by their hash

    def notes(self) -> list[str]:
        """What could not be done, and what comes of it."""
        said = []
        if self._unplain:
            said.append(
                f"{self._unplain:,} labels stay: it is not plain which field of the row holds them"
            )
        if self._moved:
            said.append(
                f"{self._moved:,} changed rows will be held out by a run, which goes by what "
                "prompts say; for comparable scores give the recipe files to validate and test with"
            )
        return said

    def written(
        self, source: Source, plan: Plan, told: list[dict[str, Any]]
    ) -> Iterator[tuple[int, bytes | dict[str, Any]] | None]:
        """Number and content of every row of the copy: a line of JSON as it was, or values; None
        for one that is left out. What becomes of rows is added to `told`."""
        for number, item, content, entry in self._each(source):
            place = (source.task, source.name, number)
            if content is None or place in plan.dropped:
                if content is not None:
                    entry = _head(source, number, item, "dropped") | {
                        "why": [{"check": "balance", "evidence": plan.dropped[place]}]
                    }
                if entry is not None:
                    told.append(entry)
                yield None
                continue
            if entry is not None:
                told.append(entry)
            yield number, content
            times, why = plan.copies.get(place, (0, ""))
            if times:
                told.append(
                    _head(source, number, item, "added")
                    | {"copies": times, "why": [{"check": "balance", "evidence": why}]}
                )
                values = content if isinstance(content, dict) else _values(source, item)
                for _ in range(times):
                    yield number, {**values, COPY_OF: item.where}

    def balanced(self, task: str, sources: list[Source]) -> Plan:
        """What makes the groups of a task equally large, of the rows that stay."""
        balance = self._orders.balance
        assert balance is not None
        members: list[Member] = []
        for source in sources:
            shape = choose_format(source.task, source.first, source.settings)
            for number, item, content, _ in self._each(source):
                if content is None:
                    continue
                try:
                    values = content if isinstance(content, dict) else _values(source, item)
                except DataError:
                    continue
                label = _label(source, shape, item, values)
                group = label if balance.by == "label" else _field(values, balance.by)
                if group is None or (label is None and balance.how == "stratified"):
                    continue
                body = json.dumps(values, sort_keys=True, default=str).encode()
                members.append(Member((task, source.name, number), group, label or "", body))
        self._unplain = self._moved = 0
        if members:
            return planned(task, members, balance)
        named = "no labels" if balance.by == "label" else f"no field '{balance.by}'"
        return Plan(notes=[f"{task}: {named}, so nothing is balanced"])

    def _each(
        self, source: Source
    ) -> Iterator[tuple[int, Item, bytes | dict[str, Any] | None, dict[str, Any] | None]]:
        """Every row: its number, itself, what it is to be (None: left out), the ledger's line."""
        lines = suffix_of(source.found.path.name) in LINES
        default = Decision(normalise=self._orders.normalise)
        shape = choose_format(source.task, source.first, source.settings)
        for number, item in enumerate(items(source.found)):
            place = (source.task, source.name, number)
            decision = self._decided.get(place, default)
            reviewed = self._orders.reviewed.get((source.name, number))
            if reviewed is not None:
                reviewed.check_same(item)
                decision = replace(decision, reviewed=reviewed)
            if decision.dropped(self._parts.get(place, 1)):
                yield number, item, None, _dropped(source, number, item, decision)
                continue
            same = item.line if lines else None
            try:
                if decision.stays_as_it_is:
                    yield number, item, same if same is not None else _values(source, item), None
                    continue
                values = _values(source, item)
            except DataError as error:
                # Kept as it is, where the user keeps what cannot be read, and it is a line.
                told = None
                if item.line is None:
                    why = {"check": "unreadable", "evidence": f"no copy: {error.mistakes[0]}"}
                    told = _head(source, number, item, "dropped") | {"why": [why]}
                yield number, item, item.line, told
                continue
            after, why = decision.after(values, source)
            self._unplain += decision.relabel is not None and "label_noise" not in why
            if after == values:
                yield number, item, same if same is not None else values, None
            else:
                if source.cut:
                    read = _read(source, shape, item, after)
                    self._moved += any(side_of(one, source) for one in read or ())
                yield (
                    number,
                    item,
                    after,
                    _changed(source, number, item, decision, values, after, why),
                )


def _values(source: Source, item: Item) -> dict[str, Any]:
    return dict(raw_row(item, source.name).values)


def _label(source: Source, shape: Format, item: Item, values: Mapping[str, Any]) -> str | None:
    """The label or choice that a row would be read with."""
    read = _read(source, shape, item, values)
    one = read[0] if read and len(read) == 1 else None
    return one.answers[0].strip() if one and (one.labelled or one.choices) and one.answers else None


def _read(
    source: Source, shape: Format, item: Item, values: Mapping[str, Any]
) -> list[Sample] | None:
    """What a row would be read as with such values; None where it could not be."""
    renamed = Item(item.where, values=values, header=item.header)
    try:
        row = row_of(renamed, source.name, source.settings.data.columns)
        return samples(row, shape, source.settings, Told())
    except DataError:
        return None


def _field(values: Mapping[str, Any], name: str) -> str | None:
    return scalar(values[name]) if name in values else None


def _head(source: Source, number: int, item: Item, action: str) -> dict[str, Any]:
    return {
        "task": source.task,
        "file": source.name,
        "where": item.where,
        "row": number,
        "action": action,
    }


def _dropped(source: Source, number: int, item: Item, decision: Decision) -> dict[str, Any]:
    why = [
        {"check": one.check, "evidence": one.evidence} | ({"stays": one.other} if one.other else {})
        for one in decision.drops
    ]
    if decision.reviewed is not None:
        why = [{"check": "review", "evidence": f"seen for {decision.reviewed.check}"}]
    return _head(source, number, item, "dropped") | {"why": why}


def _changed(
    source: Source,
    number: int,
    item: Item,
    decision: Decision,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    why: list[str],
) -> dict[str, Any]:
    """What was masked is shown as it is now alone."""
    hides = {"personal_data", "secret"} & set(decision.changes)
    fields = [name for name in after if after[name] != before.get(name)]
    told = {name: short(_said(after[name])) for name in fields}
    was = (
        {}
        if hides
        else {"before": {name: short(_said(before[name])) for name in fields if name in before}}
    )
    gone = sorted(before.keys() - after.keys())
    reasons = [{"check": name} for name in why]
    if decision.reviewed is not None:
        reasons = [{"check": "review", "evidence": f"seen for {decision.reviewed.check}"}]
    elif decision.relabel is not None and "label_noise" in why:
        chance = f"{decision.relabel.instead!r} with {decision.relabel.chance:.2f}"
        reasons = [
            one if one["check"] != "label_noise" else one | {"evidence": chance} for one in reasons
        ]
    entry = _head(source, number, item, "changed") | {"why": reasons} | was | {"after": told}
    return entry | ({"removed": gone} if gone else {})


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
