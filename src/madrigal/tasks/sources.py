"""The rows of a task, per split, wherever they come from: files, the hub, the package."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madrigal.errors import DataError
from madrigal.recipe.task import DataSettings, Paths, TaskSettings
from madrigal.tasks.find import find_files
from madrigal.tasks.read import read_file
from madrigal.tasks.row import Mistakes, Row, quoted
from madrigal.tasks.task import DataFile, Split
from madrigal.tasks.template import unknown_field

if TYPE_CHECKING:
    from madrigal.tasks.bundled.task import BundledTask


@dataclass(frozen=True, slots=True)
class Sources:
    """Rows by split; a split that the user did not name is missing from `rows`."""

    rows: Mapping[Split, Sequence[Row]]
    files: tuple[DataFile, ...] = ()


def read_sources(task: str, data: DataSettings, root: Path) -> Sources:
    """Everything a task is made from. DataError with all mistakes of its files."""
    named: list[tuple[Split, Paths | None]] = [
        ("train", data.train),
        ("validation", data.validation),
        ("test", data.test),
    ]
    paths: dict[Split, Paths] = {split: path for split, path in named if path}
    kinds = [bool(paths), data.hub is not None, data.bundled is not None]
    if sum(kinds) != 1:
        found = "none" if not any(kinds) else "more than one"
        raise DataError(f"tasks.{task}.data: give one of paths, `hub` and `bundled`; found {found}")
    if data.hub is not None:
        from madrigal.tasks.hub import read_hub

        sources = read_hub(data.hub, root)
    elif data.bundled is not None:
        sources = _bundled(task, data.bundled)
    else:
        sources = _files(paths, root)
    return _renamed(sources, data.columns) if data.columns else sources


def _files(paths: Mapping[Split, Paths], root: Path) -> Sources:
    rows: dict[Split, list[Row]] = {}
    files: list[DataFile] = []
    mistakes: list[str] = []
    for split, path in paths.items():
        rows[split] = []
        try:
            for found in find_files(path, root):
                some, file = read_file(found)
                rows[split] += some
                files.append(file)
        except DataError as error:
            mistakes += error.mistakes
    if mistakes:
        raise DataError(mistakes)
    return Sources(rows, tuple(files))


def with_bundled_settings(task: str, settings: TaskSettings) -> TaskSettings:
    """The settings that suit a bundled task, wherever the user left a key out."""
    if settings.data.bundled is None:
        return settings
    suited = TaskSettings.model_validate(
        {"data": settings.data, **_made(task, settings.data.bundled).settings}
    )
    # By value and not by what was written: a resolved recipe writes every key.
    defaults = TaskSettings(data=settings.data)
    keys = [
        key for key in suited.model_fields_set if getattr(settings, key) == getattr(defaults, key)
    ]
    return settings.model_copy(update={key: getattr(suited, key) for key in keys})


def _made(task: str, name: str) -> "BundledTask":
    from madrigal.tasks.bundled import BUNDLED

    if name not in BUNDLED:
        near = difflib.get_close_matches(name, BUNDLED, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {quoted(BUNDLED)}"
        raise DataError(f"tasks.{task}.data.bundled: no bundled task '{name}'; {hint}")
    return _generated(BUNDLED[name])


@cache  # asked for its settings and for its rows
def _generated(make: Callable[[], "BundledTask"]) -> "BundledTask":
    return make()


def _bundled(task: str, name: str) -> Sources:
    rows: dict[Split, list[Row]] = {}
    file = f"bundled {name}"
    for split, values in _made(task, name).rows.items():
        rows[split] = [
            Row(file, f"{file} {split} {number}", value) for number, value in enumerate(values, 1)
        ]
    return Sources(rows)


def _renamed(sources: Sources, columns: Mapping[str, str]) -> Sources:
    """Rows with `columns` applied: `{text: review}` makes `review` known as `text`."""
    mistakes = Mistakes()
    rows: dict[Split, list[Row]] = {}
    for split, old in sources.rows.items():
        rows[split] = []
        for row in old:
            missing = [name for name in columns.values() if name not in row.values]
            if missing:
                mistakes.add(row.file, f"{row.where}: {unknown_field(missing[0], row.values)}")
                continue
            rows[split].append(replace(row, values=_rename(row.values, columns)))
    mistakes.raise_any()
    return replace(sources, rows=rows)


def _rename(values: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    taken = set(columns.values())
    kept = {name: value for name, value in values.items() if name not in taken}
    return {**kept, **{name: values[source] for name, source in columns.items()}}
