"""`madrigal curate review DIR`: one record at a time, to keep, drop or put right."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from madrigal.cli.curate_screen import HELP, screen
from madrigal.cli.edit import edited_row, key_pressed, keys_alone, line_asked
from madrigal.curation.curate import FINDINGS, read_findings
from madrigal.curation.finding import CHECKS, CheckName
from madrigal.curation.queue import Case, cases
from madrigal.curation.reading import raw_row
from madrigal.curation.relabel import relabelled
from madrigal.curation.review import Action, Decisions, Reviewed, digest_of
from madrigal.curation.work import key_of
from madrigal.errors import DataError, UserMistake
from madrigal.recipe.suggest import did_you_mean

if TYPE_CHECKING:
    from madrigal.cli.curate import Wish
    from madrigal.curation.sources import Sources

CALL = "call.json"
_KEYS = {"k": "keep", "d": "drop"}


def write_call(wish: "Wish", out: Path, sources: "Sources") -> None:
    """Keeps what was curated, so that it can be reviewed from anywhere."""
    said = {
        "folder": os.path.relpath(Path.cwd(), out),
        "paths": list(wish.paths),
        "settings": list(wish.settings),
        "format": wish.format,
        "language": wish.language,
        "key": key_of(sources),
    }
    (out / CALL).write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", "utf-8")


def review(folder: Path, only: Sequence[str] = ()) -> None:
    """Shows one record after another and keeps what is decided.

    Raises:
        UserMistake: nothing was curated there, the data changed since, or nobody sits there.
    """
    for name in only:
        if name not in CHECKS:
            raise UserMistake(f"--check {name}: unknown{did_you_mean(name, CHECKS, 'there are')}")
    sources = _sources(folder)
    wanted: list[CheckName] = [name for name in CHECKS if name in only]
    found = cases(sources, read_findings(folder / FINDINGS), wanted)
    decisions = Decisions(folder)
    if decisions.unread:
        print(
            f"{decisions.path}: {decisions.unread} lines could not be read; they count for nothing"
        )
    if not found:
        print("nothing to review: what was found, a cleaned copy puts right by itself")
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserMistake("curate review: asks at the terminal, and there is none")
    _Desk(Console(highlight=False), found, decisions, _labels(folder, found)).sit()


def _sources(folder: Path) -> "Sources":
    from madrigal.cli.curate import Wish, sources_of

    if not (folder / FINDINGS).is_file() or not (folder / CALL).is_file():
        raise UserMistake(
            f"{folder}: nothing was curated there; first: madrigal curate RECIPE|FILE... --out DIR"
        )
    said = json.loads((folder / CALL).read_text("utf-8"))
    wish = Wish(
        tuple(said["paths"]),
        settings=tuple(said["settings"]),
        format=said["format"],
        language=said["language"],
    )
    sources, _ = sources_of(wish, folder / said["folder"])
    if key_of(sources) != said["key"]:
        raise DataError(f"{folder}: the data changed since they were curated; curate again")
    return sources


def _labels(folder: Path, found: Sequence[Case]) -> dict[str, list[str]]:
    """The labels of each task, as its card tells them."""
    labels = {}
    for task in dict.fromkeys(case.source.task for case in found):
        card = json.loads((folder / "cards" / f"{task}.json").read_text("utf-8"))
        labels[task] = sorted({name for some in card["labels"].values() for name in some})
    return labels


@dataclass(slots=True)
class _Desk:
    """The screen, what lies on it, and what was decided."""

    console: Console
    cases: Sequence[Case]
    decisions: Decisions
    labels: dict[str, list[str]]
    said: str = ""  # one line above the keys
    made: int = 0

    def sit(self) -> None:
        at = self._next(0)
        while at is not None:
            with keys_alone():
                self.console.clear()
                self.console.print(screen(self.cases, at, self.decisions, self.said, self.console))
                self.said = ""
                key = key_pressed()
            if key in ("q", "\x03", "\x04"):
                break
            at = self._done(key, at)
        self.console.clear()
        left = sum(case.place not in self.decisions for case in self.cases)
        ends = f"{left:,} records left" if left else "all records are decided"
        self.console.print(
            f"{self.made:,} decided now, {len(self.decisions):,} in all; {ends}\n"
            f"kept in {self.decisions.path}; `madrigal curate ... --clean` does what was decided",
            markup=False, soft_wrap=True,
        )  # fmt: skip

    def _next(self, at: int) -> int | None:
        """The first case from there on, and then from the beginning, that is not decided."""
        order = [*range(at, len(self.cases)), *range(at)]
        return next((k for k in order if self.cases[k].place not in self.decisions), None)

    def _done(self, key: str, at: int) -> int | None:
        """What a key does; the case that is shown next."""
        case = self.cases[at]
        if key in _KEYS:
            action: Action = "keep" if key == "k" else "drop"
            return self._decided(case, at, action)
        if key in ("f", "l"):
            values = self._fixed(case) if key == "f" else self._relabelled(case)
            return at if values is None else self._decided(case, at, "fix", values)
        if key == "u":
            place = self.decisions.undo()
            if place is None:
                self.said = "nothing to undo"
            else:
                self.made -= 1
                return next((k for k, one in enumerate(self.cases) if one.place == place), at)
        elif key == "s":
            return (at + 1) % len(self.cases)
        elif key == "b":
            return (at - 1) % len(self.cases)
        else:
            self.said = HELP
        return at

    def _decided(
        self, case: Case, at: int, action: Action, values: dict[str, Any] | None = None
    ) -> int | None:
        first = case.findings[0]
        self.decisions.decide(
            Reviewed(*case.place, first.where, action, digest_of(case.item), first.check, values)
        )
        self.made += 1
        return self._next(at)

    def _fixed(self, case: Case) -> dict[str, Any] | None:
        """The row as it comes out of the editor; None where nothing changed."""
        try:
            before = dict(raw_row(case.item, case.source.name).values)
            after = edited_row(before, self.console)
        except DataError as error:
            self.said = error.mistakes[0]
            return None
        if after == before:
            self.said = "nothing changed, nothing decided"
            return None
        return after

    def _relabelled(self, case: Case) -> dict[str, Any] | None:
        """The row with another label: the one that is offered, or one that is typed."""
        labels = self.labels[case.source.task]
        offered = case.instead
        try:
            values = dict(raw_row(case.item, case.source.name).values)
        except DataError as error:
            self.said = error.mistakes[0]
            return None
        given = [name for name in labels if relabelled(values, case.source, name, name) is not None]
        if len(given) != 1:
            self.said = "it is not plain which field holds the label; f changes the row"
            return None
        hint = f" [{offered.instead}]" if offered else ""
        others = ", ".join(name for name in labels if name != given[0])[:200]
        new = line_asked(f"label, now {given[0]}; others: {others}{hint}: ")
        new = new or (offered.instead if offered else "")
        if new not in labels:
            self.said = f"{new!r}: no label of the task" if new else "nothing decided"
            return None
        return relabelled(values, case.source, given[0], new)
