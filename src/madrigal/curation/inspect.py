"""What a run is told about its data before it trains."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from madrigal.curation.card import VERSION, Tallies, found_in, languages
from madrigal.curation.curate import CHEAP, DEEP, Search
from madrigal.curation.fields import fields
from madrigal.curation.finding import CHECKS, CheckName, Finding, Severity
from madrigal.curation.groups import groups
from madrigal.curation.loaded import Loaded
from madrigal.curation.marks import SPLITS
from madrigal.curation.shift import shifts
from madrigal.curation.shown import with_texts
from madrigal.curation.table import Table, forget

# What training reads is not what is looked for here: rows that cannot be read are told by loading.
_NOT_HERE: frozenset[CheckName] = frozenset({"unreadable"})
# Contamination is quick enough for every run.
_LONGER: tuple[CheckName, ...] = ("label_noise", "shift")
_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
_GRAVEST = 6

# What is being looked for, and how much of the whole work is done, from 0 to 1.
Progress = Callable[[str, float], None]
# How long parts of the work take beside each other, about; what is not named takes 1.
_TAKES = {"records": 6.0, "label_noise": 60.0}


def unheard(what: str, share: float) -> None:
    """Progress that nobody wants to see."""
    del what, share


@dataclass(frozen=True, slots=True)
class Inspected:
    """A card a task, and every finding in the order of the checks."""

    cards: Mapping[str, dict[str, Any]]
    findings: Sequence[Finding]


def inspect(loaded: Loaded, deep: bool = False, progress: Progress = unheard) -> Inspected:
    """Looks at the records of a run, held-out ones beside training ones of all tasks.

    The cheap checks and `contamination`; with `deep` also the others that take longer.
    """
    with tempfile.TemporaryDirectory() as aside:
        searches = _searches(deep)
        takes = _takes(searches)
        table = loaded.look(Path(aside), lambda share: progress("records", share * takes[0]))
        findings = [
            one for one in _all(table, deep, searches, progress) if one.check not in _NOT_HERE
        ]
        tallies = Tallies()
        for one in findings:
            tallies.add(one)
        checked: list[CheckName] = [
            name for name in CHECKS if name not in _NOT_HERE and (deep or name not in _LONGER)
        ]
        who, given = groups(table), fields(table)
        cards = {
            task: _card(table, loaded, task, tallies, checked)
            | {"groups": who[task], "fields": given[task]}
            for task in loaded.tasks
        }
        forget()
    return Inspected(with_texts(cards, loaded), findings)


def gravest(cards: Mapping[str, Mapping[str, Any]], most: int = _GRAVEST) -> list[str]:
    """A line for each kind of finding that is an error or a warning, errors first."""
    lines: list[tuple[int, int, str]] = []
    for task, card in cards.items():
        looked_at = sum(card["looked_at"].values())
        for found in card["found"].values():
            rank = next(k for k, one in enumerate(_SEVERITIES) if one in found["severities"])
            lines.append((rank, -found["records"], _line(task, found, looked_at)))
    told = [line for rank, _, line in sorted(lines) if rank < _SEVERITIES.index("note")]
    more = f"and {len(told) - most} more; the report of a run shows them with records to read"
    return [*told[:most], *([more] if len(told) > most else [])]


def _line(task: str, found: Mapping[str, Any], looked_at: int) -> str:
    first = found["examples"][0]
    if not found["records"]:
        return f"{task}: {found['title']}: {first['evidence']}; {found['harm']}"
    splits = ", ".join(f"{count:,} {split}" for split, count in found["splits"].items())
    other = f" beside {first['other']}" if first.get("other") else ""
    where = f"as {first['where']}{other}"
    return f"{task}: {found['title']} ({splits} of {looked_at:,} records), {where}; {found['harm']}"


def _searches(deep: bool) -> list[tuple[str, Search]]:
    """What compares records with each other, by what it looks for."""
    longer = [(name, search) for name, search in DEEP.items() if deep or name not in _LONGER]
    return [*(("pairs", search) for search in CHEAP), *longer]


def _takes(searches: Sequence[tuple[str, Search]]) -> list[float]:
    """Shares of the whole work: of looking at records one by one, and of each search."""
    each = [_TAKES.get(what, 1.0) for what in ("records", *(what for what, _ in searches))]
    return [one / sum(each) for one in each]


def _all(
    table: Table, deep: bool, searches: Sequence[tuple[str, Search]], progress: Progress
) -> Iterator[Finding]:
    for _, told in table.told():
        yield from map(Finding.of_json, told["findings"])
    takes = _takes(searches)
    for number, (what, search) in enumerate(searches, start=1):
        progress(what.replace("_", " "), sum(takes[:number]))
        for one in search(table) if len(table) else ():
            # Headers of files, which may state the licence, are not kept with loaded records.
            if one.check != "licence" or one.severity != "note":
                yield one
    for apart in shifts(table) if deep and len(table) else ():
        yield from apart.findings(table)


def _card(
    table: Table, loaded: Loaded, task: str, tallies: Tallies, checked: Sequence[CheckName]
) -> dict[str, Any]:
    mine = table.of_task(task)
    side = table.column("side")[mine]
    splits = loaded.tasks[task].splits
    return {
        "version": VERSION,
        "checked": list(checked),
        "looked_at": {split: int((side == k).sum()) for k, split in enumerate(SPLITS)},
        "records": {split: len(splits[split]) for split in ("train", "validation", "test")},
        "languages": {
            name: languages(table.column(f"{name}_language")[mine]) for name in ("prompt", "answer")
        },
        "found": found_in(tallies.of(task), int(mine.sum())),
    }
