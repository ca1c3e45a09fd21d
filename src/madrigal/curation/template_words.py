"""Words that stand in a record because they stand in every tenth of its task.

An instruction may be too short for a run of the length that contamination is looked for by, and
then runs that begin or end in it would be shared by records which share one word of their own. So
a task's frequent runs of 5 words are found first, in as many different records as are enough to
tell, and their words are left out on both sides.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, Integer, UInt64

from madrigal.curation.table import Table

_GRAM = 5  # words
_SHARE, _FEWEST = 0.1, 10  # different records that have a template's runs, at least
_LOOKED_AT = 2000  # records of a task
_PRIME = np.uint64(0x9E3779B97F4A7C15)


def runs_of(words: Integer[np.ndarray, " W"], length: int) -> UInt64[np.ndarray, " R"]:
    """A number for each run of so many words; there may be none."""
    values = words.astype(np.uint64) + np.uint64(1)
    found = np.zeros(max(0, len(values) - length + 1), dtype=np.uint64)
    for k in range(length):
        found = (found ^ values[k : k + len(found)]) * _PRIME
        found ^= found >> np.uint64(31)
    return found


def cover(hits: Bool[np.ndarray, " R"], words: int) -> Bool[np.ndarray, " W"]:
    """Which of the words lie in a run that was hit."""
    length = words - len(hits) + 1
    steps = np.zeros(words + 1, dtype=np.int64)
    starts = np.flatnonzero(hits)
    np.add.at(steps, starts, 1)
    np.add.at(steps, starts + length, -1)
    return np.cumsum(steps)[:words] > 0


@dataclass(frozen=True, slots=True)
class TemplateWords:
    """The frequent runs of each task, sorted."""

    runs: Sequence[UInt64[np.ndarray, " _"]]

    @classmethod
    def of(cls, table: Table) -> "TemplateWords":
        """From up to 2,000 records of each task, spread over all."""
        task, content = table.tasks(), table.column("content")
        chosen = np.zeros(len(task), dtype=bool)
        for number in range(len(table.sources.tasks)):
            mine = np.flatnonzero(task == number)
            _, first = np.unique(content[mine], return_index=True)
            different = mine[np.sort(first)]
            chosen[different[:: max(1, -(-len(different) // _LOOKED_AT))]] = True
        held: list[list[np.ndarray]] = [[] for _ in table.sources.tasks]
        for block in range(len(table.paths)):
            start, end = int(table.starts[block]), int(table.starts[block + 1])
            if not chosen[start:end].any():
                continue
            words = table.ragged("words", block)
            for place in np.flatnonzero(chosen[start:end]).tolist():
                held[task[start + place]].append(np.unique(runs_of(words[place], _GRAM)))
        return cls([_frequent(some) for some in held])

    def own(self, task: int, words: Integer[np.ndarray, " W"]) -> Int[np.ndarray, " O"]:
        """Places of the words that are the record's own."""
        frequent = self.runs[task]
        if len(words) < _GRAM or not len(frequent):
            return np.arange(len(words))
        found = runs_of(words, _GRAM)
        place = np.minimum(np.searchsorted(frequent, found), len(frequent) - 1)
        return np.flatnonzero(~cover(frequent[place] == found, len(words)))


def _frequent(records: Sequence[UInt64[np.ndarray, " _"]]) -> UInt64[np.ndarray, " _"]:
    if not records:
        return np.zeros(0, dtype=np.uint64)
    runs, counts = np.unique(np.concatenate(records), return_counts=True)
    return runs[counts >= max(_FEWEST, _SHARE * len(records))]
