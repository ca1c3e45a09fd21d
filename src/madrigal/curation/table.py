"""All samples of all files side by side: one array a column, read from the stored blocks."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, UInt32

from madrigal.curation.finding import CheckName, Finding, Severity, short
from madrigal.curation.marks import SPLITS
from madrigal.curation.sources import Sources

_FEW = 18  # blocks
TASK = -1  # in the place of a record: the finding is about all of them


@dataclass(frozen=True, slots=True)
class Table:
    """Samples are numbered as they stand; block b holds those from starts[b] to starts[b+1]."""

    sources: Sources
    paths: tuple[Path, ...]
    source_of: tuple[int, ...]  # of each block
    starts: Int[np.ndarray, " B"]

    @classmethod
    def of(cls, sources: Sources, paths: Sequence[Sequence[Path]]) -> "Table":
        flat = [(path, number) for number, some in enumerate(paths) for path in some]
        sizes = [len(_read(path, "record")) for path, _ in flat]
        starts = np.concatenate([[0], np.cumsum(np.array(sizes, dtype=np.int64))])
        files, numbers = (tuple(one[k] for one in flat) for k in (0, 1))
        return cls(sources, files, numbers, starts)  # pyright: ignore[reportArgumentType]

    def __len__(self) -> int:
        return int(self.starts[-1])

    def column(self, name: str) -> np.ndarray:
        """One value a sample."""
        # Of a few blocks everything is kept once read; of many it would not fit.
        read = _array if len(self.paths) <= _FEW else _read
        return _joined([read(path, name) for path in self.paths], name)

    def bands(self) -> UInt32[np.ndarray, "N B"]:
        """Every band of every signature: 64 bytes a sample."""
        return np.concatenate([_read(path, "bands") for path in self.paths])

    def files(self) -> Int[np.ndarray, " N"]:
        """Place of each sample's file."""
        return np.repeat(np.array(self.source_of, dtype=np.int64), np.diff(self.starts))

    def tasks(self) -> Int[np.ndarray, " N"]:
        """Place of each sample's task."""
        names = self.sources.tasks
        place = np.array([names.index(one.task) for one in self.sources.files], dtype=np.int64)
        return place[self.files()]

    def of_task(self, task: str, side: str | None = None) -> Bool[np.ndarray, " N"]:
        """Which samples are of a task, and of one of its splits."""
        mine = self.tasks() == self.sources.tasks.index(task)
        return mine if side is None else mine & (self.column("side") == SPLITS.index(side))

    def told(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """What each block says in words, with the place of its file."""
        for path, number in zip(self.paths, self.source_of, strict=True):
            yield number, _told(path)

    def ragged(self, name: str, block: int) -> list[np.ndarray]:
        """Arrays of the samples of one block: `words`, `answer_words` or `texts`."""
        flat, ends = _read(self.paths[block], name), _read(self.paths[block], f"{name}_end")
        borders = [0, *ends.astype(np.int64).tolist()]
        return [flat[a:b] for a, b in pairwise(borders)]

    def text(self, sample: int) -> tuple[str, str]:
        """A sample's own words and its answers, normalised."""
        block = self._block(sample)
        flat, ends = _texts(self.paths[block])
        at = sample - int(self.starts[block])
        start = int(ends[at - 1]) if at else 0
        own, _, said = (
            bytes(flat[start : int(ends[at])]).decode("utf-8", "surrogatepass").partition("\x1e")
        )
        return own, said

    def own(self, samples: Int[np.ndarray, " S"]) -> dict[int, str]:
        """The own words of samples, which are in order: each block is opened once."""
        return {sample: own for sample, own, _ in self._said(samples)}

    def answers(self, samples: Int[np.ndarray, " S"]) -> dict[int, str]:
        """The same of their answers; of several the last."""
        return {sample: said.rpartition("\x1f")[2] for sample, _, said in self._said(samples)}

    def _said(self, samples: Int[np.ndarray, " S"]) -> Iterator[tuple[int, str, str]]:
        for block in np.unique(np.searchsorted(self.starts, samples, side="right") - 1).tolist():
            start, end = self.starts[block : block + 2].tolist()
            flat, ends = _texts(self.paths[block])
            for sample in samples[(samples >= start) & (samples < end)].tolist():
                at = sample - start
                text = bytes(flat[int(ends[at - 1]) if at else 0 : int(ends[at])])
                own, _, said = text.decode("utf-8", "surrogatepass").partition("\x1e")
                yield sample, own, said

    def where(self, sample: int) -> str:
        """`reviews.jsonl:41`."""
        block = self._block(sample)
        return _told(self.paths[block])["where"][sample - int(self.starts[block])]

    def label(self, sample: int) -> str:
        """The label or choice of a sample that has one."""
        block = self._block(sample)
        place = int(_array(self.paths[block], "label")[sample - int(self.starts[block])])
        return _told(self.paths[block])["labels"][place] if place >= 0 else ""

    def labels(self) -> tuple[Int[np.ndarray, " N"], tuple[str, ...]]:
        """Place of each sample's label in one list for all; -1 for written answers."""
        names: dict[str, int] = {}
        placed = []
        for path in self.paths:
            mine = [names.setdefault(name, len(names)) for name in _told(path)["labels"]]
            placed.append(np.array([*mine, -1], dtype=np.int64)[_read(path, "label")])
        return _joined(placed, "label"), tuple(names)

    def licences(self) -> dict[str, Counter[str]]:
        """How often each licence is said, by task; nothing said is ''."""
        found: dict[str, Counter[str]] = {task: Counter() for task in self.sources.tasks}
        for path, number in zip(self.paths, self.source_of, strict=True):
            found[self.sources.files[number].task].update(_told(path)["licences"])
        return found

    def finding(
        self,
        sample: int,
        check: CheckName,
        severity: Severity,
        evidence: str = "",
        other: int | None = None,
        score: float = 0.0,
    ) -> Finding:
        """A finding about a sample; its own words are the evidence where none is given."""
        block = self._block(sample)
        at = sample - int(self.starts[block])
        source = self.sources.files[self.source_of[block]]
        path = self.paths[block]
        return Finding(
            source.task,
            SPLITS[int(_array(path, "side")[at])],
            source.name,
            int(_array(path, "record")[at]),
            self.where(sample),
            check,
            severity,
            evidence or short(self.text(sample)[0]),
            int(_array(path, "part")[at]),
            "" if other is None else self.where(other),
            score,
        )

    def _block(self, sample: int) -> int:
        return int(np.searchsorted(self.starts, sample, side="right")) - 1


def about_task(
    sources: Sources, task: str, check: CheckName, severity: Severity, said: str
) -> Finding:
    """A finding about all of a task."""
    files = sources.of(task)
    return Finding(task, "", files[0].name, TASK, task, check, severity, said)


def _read(path: Path, name: str) -> np.ndarray:
    with np.load(path, allow_pickle=False) as stored:
        return stored[name]


_array = lru_cache(maxsize=256)(_read)  # for single samples; a whole column is read once


@lru_cache(maxsize=64)
def _texts(path: Path) -> tuple[np.ndarray, np.ndarray]:
    return _read(path, "texts"), _read(path, "texts_end")


@lru_cache(maxsize=64)
def _told(path: Path) -> dict[str, Any]:
    return json.loads(path.with_suffix(".json").read_text("utf-8"))


def forget() -> None:
    """Lets go of what was read of blocks; tables read it again."""
    for kept in (_array, _texts, _told):
        kept.cache_clear()


def _joined(parts: Sequence[np.ndarray], name: str) -> np.ndarray:
    return (
        np.concatenate(parts) if parts else np.zeros(0, dtype="u8" if name == "content" else "i8")
    )
