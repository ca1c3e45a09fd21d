"""Files of a task that curation cleaned: how many rows they had, and what became of them."""

from dataclasses import dataclass
from typing import Any

from madrigal.report import numbers
from madrigal.report.curation import Example, Text
from madrigal.report.folder import Json
from madrigal.report.numbers import mapping, number

_ACTIONS = {
    "dropped": "left out",
    "changed": "changed",
    "added": "added",
}


@dataclass(frozen=True, slots=True)
class Copy:
    """One cleaned copy."""

    original: str
    before: str
    after: str
    told: str  # "30 left out (20 exact duplicates, 10 leaks), 4 changed"
    ledger: str
    changed_since: bool
    examples: tuple[Example, ...]


def copies(card: Json) -> tuple[Copy, ...]:
    """What the card says of cleaned copies."""
    listed = card.get("cleaned")
    return tuple(_copy(mapping(one)) for one in (listed if isinstance(listed, list) else ()))


def _copy(one: Json) -> Copy:
    before, after = (number(one.get(key)) or 0 for key in ("before", "after"))
    parts = []
    for action, word in _ACTIONS.items():
        counts = mapping(mapping(one.get("rows")).get(action))
        whole = number(counts.get("all")) or 0
        why = [
            f"{numbers.count(n)} {str(name).replace('_', ' ')}"
            for name, raw in counts.items()
            if name != "all" and (n := number(raw))
        ]
        if whole:
            parts.append(f"{numbers.count(whole)} {word} ({', '.join(why)})")
    listed = one.get("examples")
    return Copy(
        original=str(one.get("original", "")),
        before=numbers.count(before),
        after=numbers.count(after),
        told="; ".join(parts) or "no row was touched",
        ledger=str(one.get("ledger", "")),
        changed_since=one.get("changed_since") is True,
        examples=tuple(_example(mapping(x)) for x in (listed if isinstance(listed, list) else ())),
    )


def _example(entry: Json) -> Example:
    """A line of the ledger: why, and how the row read before and after."""
    listed: Any = entry.get("why")
    why = [mapping(one) for one in (listed if isinstance(listed, list) else ())]
    said = [
        ": ".join(str(one[key]) for key in ("check", "evidence") if one.get(key)) for one in why
    ]
    word = _ACTIONS.get(str(entry.get("action")), "")
    texts = [
        Text(f"{key}: {name}", ((str(value), False),))
        for key in ("before", "after")
        for name, value in mapping(entry.get(key)).items()
    ]
    return Example(f"{entry.get('where', '')}, {word}: {'; '.join(said)}", tuple(texts))
