"""What a check found, as a record that says where to look and what to see there."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

# error: harms training or makes scores untrue; warning: look at it; note: good to know.
Severity = Literal["error", "warning", "note"]

CheckName = Literal[
    "unreadable",
    "encoding",
    "control_characters",
    "empty_answer",
    "truncated_answer",
    "prompt_in_answer",
    "boilerplate",
    "refusal",
    "repetition",
    "language",
    "length",
    "personal_data",
    "secret",
    "offensive",
    "licence",
    "exact_duplicate",
    "near_duplicate",
    "shared_with_task",
    "leak",
    "near_leak",
    "contradiction",
    "contamination",
    "imbalance",
    "label_noise",
    "shift",
]
CHECKS: tuple[CheckName, ...] = get_args(CheckName)

_EVIDENCE = 160  # characters


@dataclass(frozen=True, slots=True)
class Seen:
    """What a check of a single record sees in it."""

    check: CheckName
    severity: Severity
    evidence: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One record and what is wrong with it. `record` counts from 0 inside `file`.

    `part` counts the examples that one row holds; `other` is where the record stands that this one
    is compared with; `score` ranks findings of one check, higher is worse. `instead` is the label
    that a check would give in the place of `given`, and `chance` how sure it is, from 0 to 1.
    """

    task: str
    split: str
    file: str
    record: int
    where: str
    check: CheckName
    severity: Severity
    evidence: str
    part: int = 0
    other: str = ""
    score: float = 0.0
    given: str = ""
    instead: str = ""
    chance: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Without what says nothing."""
        said = {name: getattr(self, name) for name in _FIELDS}
        for name in ("part", "other", "score", "given", "instead", "chance"):
            if not said[name]:
                del said[name]
        return said

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> "Finding":
        """What `as_json` told."""
        return cls(**said)


_FIELDS = tuple(one.name for one in fields(Finding))


def short(text: str, most: int = _EVIDENCE) -> str:
    """A text on one line, its middle left out where it is long, and nothing a terminal obeys."""
    line = " ".join("".join(c if c.isprintable() or c.isspace() else "�" for c in text).split())
    if len(line) <= most:
        return line
    half = (most - 3) // 2
    return f"{line[:half]} … {line[-half:]}"


def around(text: str, start: int, end: int, reach: int = 40) -> str:
    """A stretch of text with what stands before and after it."""
    before, after = max(0, start - reach), min(len(text), end + reach)
    cut = "…" if before else ""
    return short(f"{cut}{text[before:after]}{'…' if after < len(text) else ''}")
