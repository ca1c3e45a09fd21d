"""The records of a run, looked at as they are loaded: templated, split, without what was left out.

Held-out records are looked at with the training records of all tasks, so that test text in training
is found wherever the two come from.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from madrigal.curation.block import SIZE, Book, store, stored
from madrigal.curation.sample import Sample, sample_of_record
from madrigal.curation.sources import Source, Sources
from madrigal.curation.table import Table
from madrigal.recipe.task import TaskSettings
from madrigal.tasks.find import Found
from madrigal.tasks.record import Record
from madrigal.tasks.sources import with_bundled_settings
from madrigal.tasks.task import Split, Task

_SPLITS: tuple[Split, ...] = get_args(Split)  # in the order of `marks.SPLITS`

Chosen = Sequence[tuple[int, Record]]  # with their places in the split


@dataclass(frozen=True, slots=True)
class Loaded:
    """The tasks of a run, and of each split how many records are looked at at most."""

    tasks: Mapping[str, Task]
    settings: Mapping[str, TaskSettings]
    limit: int

    @classmethod
    def of(
        cls, tasks: Mapping[str, Task], settings: Mapping[str, TaskSettings], most: int = 0
    ) -> "Loaded":
        """At most so many records of all are looked at, of each split as many; 0: all."""
        whole = {name: with_bundled_settings(name, settings[name]) for name in tasks}
        sizes = [len(task.splits[split]) for task in tasks.values() for split in _SPLITS]
        return cls(tasks, whole, limit_of(sizes, most))

    def chosen(self, task: str, split: Split) -> Chosen:
        """The records that are looked at: of a larger split every k-th. Copies that the recipe asks
        for (`augment`), which come last, are not: they repeat their records on purpose."""
        every = self.tasks[task].splits[split]
        if split == "train":
            every = every[: len(every) - len(self.tasks[task].augmented)]
        step = -(-len(every) // self.limit) if every else 1
        return [*enumerate(every)][::step]

    def sample(self, task: str, record: Record) -> Sample:
        """A record as the checks see it."""
        return sample_of_record(record, self.settings[task], bool(self.tasks[task].labels))

    def count(self) -> int:
        """Records that are looked at."""
        return sum(len(self.chosen(task, split)) for task in self.tasks for split in _SPLITS)

    def look(self, folder: Path, moved: Callable[[float], None]) -> Table:
        """Looks at every chosen record by itself; what is kept of them lies in `folder`. `moved` is
        told the share that is done."""
        done, every = 0, max(1, self.count())
        sources: list[Source] = []
        paths: list[list[Path]] = []
        for task in self.tasks:
            for split in _SPLITS:
                name = name_of(task, split)
                source = Source(task, split, Found(Path(), name), self.settings[task])
                chosen = self.chosen(task, split)
                paths.append([])
                for path, count in self._stored(folder, len(sources), source, chosen):
                    paths[-1].append(path)
                    done += count
                    moved(done / every)
                sources.append(source)
        return Table.of(Sources(tuple(sources)), paths)

    def _stored(
        self, folder: Path, number: int, source: Source, chosen: Chosen
    ) -> Iterator[tuple[Path, int]]:
        for block, start in enumerate(range(0, len(chosen), SIZE)):
            book = Book(source.task, source.name)
            some = chosen[start : start + SIZE]
            for place, record in some:
                filled = sum(bool(value) for value in record.fields.values())
                side = _SPLITS.index(source.split)
                book.add(self.sample(source.task, record), place, 0, side, filled)
            path = stored(folder, number, block)
            store(path, book.marks.arrays(), book.told(len(some)))
            yield path, len(some)


def name_of(task: str, split: Split) -> str:
    """What findings call a split of a task, in the place of a file."""
    return f"{task}/{split}"


def limit_of(sizes: Sequence[int], most: int) -> int:
    """The largest size to which all can be cut down so that they are no more than `most` in all;
    what small ones leave goes to the others. At least 1; 0 as `most` cuts nothing."""
    left, largest = most, max(sizes, default=1)
    for place, size in enumerate(sorted(sizes) if most else ()):
        share = left // (len(sizes) - place)
        if size > share:
            return max(1, share)
        left -= size
    return max(1, largest)
