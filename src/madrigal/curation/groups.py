"""Who occurs: in how many records a word stands that names people of a group.

Words are those of `groups.txt`, English and few: what is not in the list is not counted, and a word
may mean something else (a church is no person). Shares say who is spoken of, not how.
"""

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

import numpy as np

from madrigal.curation.marks import word_hash
from madrigal.curation.table import Table


@lru_cache(maxsize=1)
def lists() -> Mapping[str, tuple[str, ...]]:
    """The words of each group."""
    text = (files("madrigal.curation") / "groups.txt").read_text("utf-8")
    lines = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {name: tuple(words.split()) for name, _, words in lines}


def groups(table: Table) -> dict[str, dict[str, int]]:
    """By task, how many records have a word of each group, the most frequent first."""
    names = table.sources.tasks
    found = {task: dict.fromkeys(lists(), 0) for task in names}
    hashes = {
        name: np.array([word_hash(word) for word in words], dtype=np.uint32)
        for name, words in lists().items()
    }
    for block, source in enumerate(table.source_of):
        counted = found[table.sources.files[source].task]
        words = table.ragged("words", block)
        row = np.repeat(np.arange(len(words)), [len(one) for one in words])
        flat = np.concatenate(words) if words else np.zeros(0, dtype=np.uint32)
        for name, wanted in hashes.items():
            counted[name] += len(np.unique(row[np.isin(flat, wanted)]))
    return {task: _most_first(counted) for task, counted in found.items()}


def _most_first(counted: Mapping[str, int]) -> dict[str, int]:
    kept = [(name, count) for name, count in counted.items() if count]
    return dict(sorted(kept, key=lambda pair: -pair[1]))


def line(counted: Mapping[str, int], records: int) -> str:
    """In one line; empty where nobody occurs."""
    said = [f"{name} {count / max(1, records):.1%}" for name, count in counted.items()]
    return f"who occurs, by words, in so many records: {', '.join(said)}" if said else ""
