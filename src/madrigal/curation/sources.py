"""What is to be curated: files, the task that each belongs to, and how it is read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from madrigal.curation.marks import SPLITS
from madrigal.curation.reading import row_of
from madrigal.curation.sample import Sample, record_of
from madrigal.curation.stream import items
from madrigal.errors import DataError
from madrigal.recipe.schema import Recipe
from madrigal.recipe.task import DataSettings, FormatName, Paths, TaskSettings
from madrigal.tasks.divide import TEST_SHARE
from madrigal.tasks.find import Found, find_files
from madrigal.tasks.formats.detect import choose_format
from madrigal.tasks.formats.natural_instructions import has_test_slice
from madrigal.tasks.inspect import expanded, name_of
from madrigal.tasks.row import Row
from madrigal.tasks.split import fingerprint, position
from madrigal.tasks.task import Split

_LOOKED_AT = 50  # rows that tell the format
_TRIED = 1000  # rows read to find so many


@dataclass(frozen=True, slots=True)
class Source:
    """A file of one task. `cut` says that the loader holds out a part of it by content."""

    task: str
    split: Split
    found: Found
    settings: TaskSettings
    first: tuple[Row, ...] = ()  # rows of the task that its format is told from
    format: FormatName = "auto"
    cut: frozenset[Split] = frozenset()
    languages: tuple[str, str] = ("", "")  # of prompts and answers, where the file says nothing

    @property
    def name(self) -> str:
        return self.found.name


@dataclass(frozen=True, slots=True)
class Sources:
    """All files in a fixed order, and what of the recipe is not looked at."""

    files: tuple[Source, ...]
    notes: tuple[str, ...] = ()

    def of(self, task: str) -> list[Source]:
        return [one for one in self.files if one.task == task]

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.task for one in self.files))


def side_of(sample: Sample, source: Source) -> int:
    """The place in SPLITS of the split that the loader puts a sample into: cut off by a hash of
    its prompt."""
    if not source.cut or sample.text:
        return SPLITS.index(source.split)
    shares = source.settings.data.split
    test = (TEST_SHARE if shares.test is None else shares.test) if "test" in source.cut else 0
    rest = shares.validation if "validation" in source.cut else 0
    at = position(shares.seed, "split", fingerprint(record_of(sample)))
    return 2 if at < test else 1 if at < test + rest else 0


def of_files(
    paths: Sequence[str],
    root: Path,
    format_: FormatName = "auto",
    languages: tuple[str, str] = ("", ""),
) -> Sources:
    """Files by themselves: `reviews/train.jsonl` and `reviews/test.jsonl` are one task.

    `languages` of prompts and answers are declared for files that do not say it themselves.

    Raises:
        DataError: with every path that names no file, and every task of which nothing can be read.
    """
    groups: dict[str, dict[Split, list[str]]] = {}
    for path in expanded(paths, root):
        name, split = name_of(path)
        groups.setdefault(name, {}).setdefault(split, []).append(path)
    settings = {name: _settings(group, format_) for name, group in groups.items()}
    found = _sources(settings, root, ())
    return replace(found, files=tuple(replace(one, languages=languages) for one in found.files))


def of_recipe(recipe: Recipe, root: Path) -> Sources:
    """The files of all tasks of a recipe; tasks of the hub and bundled ones have none.

    Raises:
        DataError: as `of_files`.
    """
    settings = {
        name: task
        for name, task in recipe.tasks.items()
        if task.data.hub is None and task.data.bundled is None
    }
    notes = tuple(
        f"{name}: {'from the hub' if task.data.hub else 'bundled'}, so there are no files to curate"
        for name, task in recipe.tasks.items()
        if name not in settings
    )
    return _sources(settings, root, notes)


def _settings(group: Mapping[Split, Sequence[str]], format_: FormatName) -> TaskSettings:
    paths = {split: tuple(some) for split, some in group.items()}
    data = DataSettings.model_validate(
        {**paths, "format": format_, "split": {"validation": 0, "test": 0}}
    )
    return TaskSettings(data=data)


def _sources(tasks: Mapping[str, TaskSettings], root: Path, notes: tuple[str, ...]) -> Sources:
    files: list[Source] = []
    mistakes: list[str] = []
    for name, settings in tasks.items():
        try:
            files += _of_task(name, settings, root)
        except DataError as error:
            mistakes += error.mistakes
    if mistakes:
        raise DataError(dict.fromkeys(mistakes))
    return Sources(tuple(files), notes)


def _of_task(name: str, settings: TaskSettings, root: Path) -> Iterator[Source]:
    named: list[tuple[Split, Found]] = []
    data = settings.data
    splits: tuple[Split, ...] = ("train", "validation", "test")
    given: dict[Split, Paths] = {
        split: getattr(data, split) for split in splits if getattr(data, split)
    }
    for split, paths in given.items():
        named.extend((split, found) for found in find_files(paths, root))
    first = _first(name, [found for _, found in named], settings)
    shape = choose_format(name, first, settings)
    cut = _cut(settings, frozenset(given), shape.name == "natural_instructions", first)
    for split, found in named:
        cuts = cut if split == "train" else frozenset[Split]()
        yield Source(name, split, found, settings, tuple(first), shape.name, cuts)


def _cut(
    settings: TaskSettings, given: frozenset[Split], natural: bool, first: Sequence[Row]
) -> frozenset[Split]:
    """The splits that training cuts from the training records, by a hash of their prompts."""
    shares = settings.data.split
    wanted: set[Split] = set()
    sliced = natural and shares.test is None and has_test_slice(first)
    if "test" not in given and shares.test != 0 and not sliced:
        wanted.add("test")
    if "validation" not in given and shares.validation:
        wanted.add("validation")
    return frozenset(wanted) if "train" in given else frozenset()


def _first(task: str, files: Sequence[Found], settings: TaskSettings) -> list[Row]:
    """The first readable rows of a task. DataError with the first mistakes if there are none."""
    rows: list[Row] = []
    mistakes: list[str] = []
    for found in files:
        for item in islice(items(found), _TRIED):
            try:
                row = row_of(item, found.name, settings.data.columns)
                # A proxy could not go to another process.
                rows.append(replace(row, values=dict(row.values), header=dict(row.header)))
            except DataError as error:
                mistakes += error.mistakes
            if len(rows) >= _LOOKED_AT:
                return rows
    if not rows:
        said = mistakes[:3] or [f"tasks.{task}.data: the files hold no rows"]
        raise DataError([*said, *([f"and {len(mistakes) - 3} more"] if len(mistakes) > 3 else [])])
    return rows
