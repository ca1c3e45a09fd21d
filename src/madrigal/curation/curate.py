"""Everything that is found in some files: the whole of curation but its remedies."""

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from madrigal.curation.card import Tallies, card
from madrigal.curation.chances import States
from madrigal.curation.contamination import contamination
from madrigal.curation.duplicates import exact, leaks, near, shared
from madrigal.curation.endings import endings
from madrigal.curation.fields import fields
from madrigal.curation.finding import CHECKS, CheckName, Finding
from madrigal.curation.groups import groups
from madrigal.curation.labels import contradictions, imbalance
from madrigal.curation.lengths import languages, lengths, licences
from madrigal.curation.noise import label_noise
from madrigal.curation.shift import Shift, shifts
from madrigal.curation.sources import Sources
from madrigal.curation.table import Table
from madrigal.curation.work import Shard, Tell, look_at_all, silent

Search = Callable[[Table], Iterator[Finding]]

CHEAP: tuple[Search, ...] = (
    exact, shared, leaks, near, contradictions, imbalance, lengths, endings, languages,
    licences,
)  # fmt: skip
DEEP: dict[CheckName, Search] = {"contamination": contamination, "label_noise": label_noise}
# What else is asked for by name, and stands on the card with its numbers.
_PORTRAYED: tuple[CheckName, ...] = ("shift",)

FINDINGS = "findings.jsonl"


@dataclass(frozen=True, slots=True)
class Curated:
    """What was found. `findings` lie in a file, since there may be as many as records."""

    cards: dict[str, dict[str, Any]]
    findings: Path
    table: Table
    notes: tuple[str, ...] = ()

    def read(self) -> Iterator[Finding]:
        """Every finding, in the order of the checks."""
        yield from read_findings(self.findings)


def curate(
    sources: Sources,
    folder: Path,
    work: Path | None = None,
    deep: bool | Collection[CheckName] = False,
    processes: int = 1,
    tell: Tell = silent,
    states: States | None = None,
) -> Curated:
    """Looks at every record of the sources, then at all of them together.

    `deep` asks for all checks that take longer, or for some of them by name. With `states` of a
    model, labels are judged by what it makes of the texts, too.
    `folder` takes what is found, `work` the stored blocks; where blocks of the same files lie there
    they are not looked at again. The files themselves are only read.

    Raises:
        DataError: with every file that cannot be read.
    """
    longer = (*DEEP, *_PORTRAYED)
    asked = longer if deep is True else deep or ()
    wanted: list[CheckName] = [name for name in longer if name in asked]
    paths = look_at_all(sources, work or folder / "work", processes, tell=tell)
    table = Table.of(sources, paths)
    apart = shifts(table) if "shift" in wanted and len(table) else []
    tallies = Tallies()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FINDINGS
    aside = path.with_name(f".{FINDINGS}")
    with aside.open("w", encoding="utf-8") as file:
        for finding in _all(table, wanted, states, apart):
            tallies.add(finding)
            file.write(json.dumps(finding.as_json(), ensure_ascii=False) + "\n")
    aside.replace(path)
    checked: list[CheckName] = [name for name in CHECKS if name not in longer or name in wanted]
    who, given = groups(table), fields(table)
    cards = {
        task: card(table, task, tallies, checked, apart)
        | {"groups": who[task], "fields": given[task]}
        for task in sources.tasks
    }
    return Curated(cards, path, table, sources.notes)


def _all(
    table: Table, deep: Collection[CheckName], states: States | None, apart: Collection[Shift]
) -> Iterator[Finding]:
    for _, told in table.told():
        yield from map(Finding.of_json, told["findings"])
    if len(table):
        known = DEEP | {"label_noise": partial(label_noise, states=states)}
        for search in (*CHEAP, *(known[name] for name in deep if name in known)):
            yield from search(table)
    for one in apart:
        yield from one.findings(table)


def read_findings(path: Path) -> Iterator[Finding]:
    """The findings of a file."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield Finding.of_json(json.loads(line))


def look_at_shard(sources: Sources, work: Path, shard: Shard, processes: int, tell: Tell) -> None:
    """The blocks of one shard alone; `curate` over the same `work` joins them."""
    look_at_all(sources, work, processes, shard, tell)
