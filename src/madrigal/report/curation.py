"""What curation found in the data of a run, as far as their cards tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from madrigal.report import numbers
from madrigal.report.folder import Json, RunFolder
from madrigal.report.numbers import mapping, number

_SEVERITIES = ("error", "warning", "note")
_SIGNS = {"error": "▼", "warning": "▽", "note": "·"}
_SAID = {"error": "harms training or scores", "warning": "worth a look", "note": "good to know"}
_TASKS = 6  # named beside a kind of finding
_BOTH_SIDES = ("leak", "near_leak", "contamination")
_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Text:
    """A record to read: where it stands, and its words with marks."""

    where: str
    pieces: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class Example:
    """One finding: what is said of it, the record, and the one that it is compared with."""

    evidence: str
    texts: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """One kind of finding in one task."""

    check: str
    severity: str
    title: str
    records: float
    counts: str  # "12, 0.5 %"
    splits: str  # "9 train, 3 test"
    marks: str  # what is marked in the texts
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding in all tasks, and what to think of it."""

    severity: str
    title: str
    tasks: tuple[tuple[str, str], ...]  # name and share, the most first
    more: int
    harm: str
    advice: str


@dataclass(frozen=True, slots=True)
class CurationView:
    """What stands above the tasks."""

    looked_at: str
    checks: int
    sampled: bool
    not_asked: str
    kinds: tuple[Kind, ...]


_MARKS = {
    "contamination": "marked: what both say",
    "contradiction": "marked: what tells them apart",
    "near_duplicate": "marked: what tells them apart",
    "near_leak": "marked: what tells them apart",
}


def curation_parts(run: RunFolder) -> dict[str, Any]:
    """What the page's template names."""
    return {"curation": curation_view(run), "severity_signs": _SIGNS, "severity_said": _SAID}


def curation_view(run: RunFolder) -> CurationView | None:
    """What was looked for and found in all tasks; None for a run that looked for nothing."""
    cards = {task: mapping(card.get("curation")) for task, card in run.cards.items()}
    cards = {task: card for task, card in cards.items() if card}
    if not cards:
        return None
    looked_at, every = (
        sum(number(n) or 0 for card in cards.values() for n in mapping(card.get(key)).values())
        for key in ("looked_at", "records")
    )
    checked = {str(one) for card in cards.values() for one in _listed(card.get("checked"))}
    few = looked_at < every
    told = numbers.count(looked_at) + (f" of {numbers.count(every)}" if few else "")
    asked = "label_noise" in checked
    return CurationView(
        looked_at=told,
        checks=len(checked),
        sampled=few,
        not_asked="" if asked else "wrong labels",
        kinds=_kinds(cards),
    )


def _kinds(cards: Mapping[str, Json]) -> tuple[Kind, ...]:
    """By severity, then by the largest share of any task."""
    by_check: dict[str, list[tuple[float, str, Json]]] = {}
    for task, card in cards.items():
        for check, found in mapping(card.get("found")).items():
            by_check.setdefault(str(check), []).append(
                (number(mapping(found).get("share")) or 0.0, task, mapping(found))
            )
    ranked: list[tuple[int, float, Kind]] = []
    for check, some in by_check.items():
        some.sort(key=lambda one: (-one[0], one[1]))
        severity = min((_worst(found) for _, _, found in some), key=_SEVERITIES.index)
        first = some[0][2]
        kind = Kind(
            severity,
            str(first.get("title", "")),
            tuple((task, _told(check, found)) for _, task, found in some[:_TASKS]),
            len(some[_TASKS:]),
            str(first.get("harm", "")),
            str(first.get("advice", "")),
        )
        ranked.append((_SEVERITIES.index(severity), -some[0][0], kind))
    return tuple(kind for _, _, kind in sorted(ranked, key=lambda one: one[:2]))


def found_in(card: Json, examples: int) -> tuple[Found, ...]:
    """What was found in a task, the gravest first, with so many records of each kind to read."""
    found = [
        _found(str(check), mapping(one), examples)
        for check, one in mapping(mapping(card.get("curation")).get("found")).items()
    ]
    return tuple(sorted(found, key=lambda one: (_SEVERITIES.index(one.severity), -one.records)))


def _found(check: str, found: Json, examples: int) -> Found:
    told = [_example(one) for one in _once(_listed(found.get("examples")))[:examples]]
    marked = any(marked for one in told for text in one.texts for _, marked in text.pieces)
    return Found(
        check=check,
        severity=_worst(found),
        title=str(found.get("title", "")),
        records=number(found.get("records")) or 0.0,
        counts=_share(found),
        splits=_splits(found),
        marks=_MARKS.get(check, "") if marked else "",
        examples=tuple(told),
    )


def _once(examples: Sequence[Any]) -> list[Json]:
    """Without pairs that stand there already the other way round."""
    told: list[Json] = []
    seen: set[tuple[str, str]] = set()
    for one in map(mapping, examples):
        pair = (str(one.get("where")), str(one.get("other")))
        if pair[::-1] not in seen:
            seen.add(pair)
            told.append(one)
    return told


def _example(example: Json) -> Example:
    texts = [(str(example.get("where", "")), str(example.get("split", "")), example.get("pieces"))]
    if "beside" in example:
        other, task = str(example.get("other", "")), str(example.get("other_task", ""))
        split = str(example.get("other_split", ""))
        elsewhere = f"{task}, {split}" if task != example.get("task") else split
        texts.append((other, elsewhere, example.get("beside")))
    elif example.get("other"):
        texts[0] = (f"{texts[0][0]}, and {example['other']}", texts[0][1], texts[0][2])
    return Example(
        evidence=_evidence(example, texts[0][2]),
        texts=tuple(
            Text(f"{where} ({split})" if split else where, pieces)
            for where, split, some in texts
            if (pieces := _pieces(some))
        ),
    )


def _evidence(example: Json, value: Any) -> str:
    """What is said of a record; of two that are alike how much, since their words stand below."""
    said = str(example.get("evidence", ""))
    words = " ".join("".join(text for text, _ in _pieces(value)).lower().split())
    if not words.startswith(said[:40].lower()):
        return said
    alike = number(example.get("score"))
    return f"similarity {alike:.2f}" if alike else ""


def _pieces(value: Any) -> tuple[tuple[str, bool], ...]:
    some = [one for one in _listed(value) if isinstance(one, list) and len(one) == 2]
    return tuple((str(text), marked is True) for text, marked in some)


def _worst(found: Json) -> str:
    severities = mapping(found.get("severities"))
    return next((one for one in _SEVERITIES if one in severities), "note")


def _told(check: str, found: Json) -> str:
    """How many; of pairs on both sides of a split, how many on each."""
    return _splits(found) if check in _BOTH_SIDES else _share(found)


def _splits(found: Json) -> str:
    splits = mapping(found.get("splits"))
    counts = [(n, split) for split in _SPLITS if (n := number(splits.get(split)))]
    return ", ".join(f"{numbers.count(n)} {split}" for n, split in counts)


def _share(found: Json) -> str:
    """How many records, and which part of those that were looked at; of all data, nothing."""
    records, share = number(found.get("records")), number(found.get("share"))
    if not records:
        return ""
    part = f", {numbers.percent(share)}" if share is not None else ""
    return f"{numbers.count(records)}{part}"


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
