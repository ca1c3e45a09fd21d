"""Tokens that a stage's answers of the model's own went through, as its log says."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FILES = ("rollouts.jsonl", "looks.jsonl")


@dataclass(frozen=True, slots=True)
class Said:
    """Tokens of prompts that were read and of answers that were written, looks at likeliest answers
    among them, and of the passes that scored what was written."""

    written: int
    scored: int

    @property
    def tokens(self) -> int:
        """All of them: each costs a forward pass."""
        return self.written + self.scored


def said(folder: Path) -> Said:
    """Of the stage in a folder; nothing where it wrote no answers."""
    counts = [line.get("tokens", {}) for name in _FILES for line in _lines(folder / name)]
    return Said(
        written=sum(one.get("read", 0) + one.get("written", 0) for one in counts),
        scored=sum(one.get("scored", 0) for one in counts),
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
