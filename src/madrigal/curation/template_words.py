"""Words that stand in a record because they stand in every tenth of its task.

An instruction may be too short for a run of the length that contamination is looked for by, and
then runs that begin or end in it would be shared by records which share one word of their own. So a
task's frequent runs of 5 words are found first, and their words are left out on both sides. What
few training records have and hardly a held-out one may be a test text copied into training.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, Integer, UInt64

from madrigal.curation.table import Table

_GRAM = 5  # words
_SHARE = 0.1  # of different records of a task that have a template's runs, at least
HELD_TEMPLATE, TRAIN_TEMPLATE = 3, 50  # more than so many held-out, or training, records have them
_LOOKED_AT = 1000  # records of a task's training, and of what it holds out
_TRAIN = 0  # place in SPLITS
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
        """From up to 1,000 training and 1,000 held-out records of each task, spread over all."""
        task, held = table.tasks(), table.column("side") != _TRAIN
        content, chosen = table.column("content"), np.zeros(len(task), dtype=bool)
        for number in range(len(table.sources.tasks)):
            for side in (False, True):
                mine = np.flatnonzero((task == number) & (held == side))
                _, first = np.unique(content[mine], return_index=True)
                different = mine[np.sort(first)]
                chosen[different[:: max(1, -(-len(different) // _LOOKED_AT))]] = True
        found: list[tuple[list[np.ndarray], list[np.ndarray]]] = [
            ([], []) for _ in table.sources.tasks
        ]
        for block in range(len(table.paths)):
            start, end = int(table.starts[block]), int(table.starts[block + 1])
            if not chosen[start:end].any():
                continue
            words = table.ragged("words", block)
            for place in np.flatnonzero(chosen[start:end]).tolist():
                mine = found[task[start + place]][int(held[start + place])]
                mine.append(np.unique(runs_of(words[place], _GRAM)))
        return cls([_frequent(*sides) for sides in found])

    def own(self, task: int, words: Integer[np.ndarray, " W"]) -> Int[np.ndarray, " O"]:
        """Places of the words that are the record's own."""
        frequent = self.runs[task]
        if len(words) < _GRAM or not len(frequent):
            return np.arange(len(words))
        found = runs_of(words, _GRAM)
        place = np.minimum(np.searchsorted(frequent, found), len(frequent) - 1)
        return np.flatnonzero(~cover(frequent[place] == found, len(words)))


def _frequent(
    train: Sequence[UInt64[np.ndarray, " _"]], held: Sequence[UInt64[np.ndarray, " _"]]
) -> UInt64[np.ndarray, " _"]:
    if not (train or held):
        return np.zeros(0, dtype=np.uint64)
    runs, place = np.unique(np.concatenate([*train, *held]), return_inverse=True)
    border = sum(map(len, train))
    often = np.bincount(place[:border], minlength=len(runs))
    asked = np.bincount(place[border:], minlength=len(runs))
    enough = often + asked >= _SHARE * (len(train) + len(held))
    return runs[enough & ((asked > HELD_TEMPLATE) | (often > TRAIN_TEMPLATE))]
