"""A look at a user's files: what they are, and which belong together."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from glob import has_magic
from pathlib import Path

from madrigal.errors import DataError
from madrigal.recipe.task import FormatName, InstructionSettings
from madrigal.tasks.find import DATA_SUFFIXES, find_files, suffix_of
from madrigal.tasks.formats.base import Draft
from madrigal.tasks.formats.detect import detect
from madrigal.tasks.formats.natural_instructions import has_test_slice
from madrigal.tasks.labels import resolve_labels
from madrigal.tasks.read import read_file
from madrigal.tasks.row import Mistakes, Row
from madrigal.tasks.task import Kind, Split

_PARTS: Mapping[str, Split] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}


@dataclass(frozen=True, slots=True)
class Inspected:
    """A task that some files could be: paths as given, records by split."""

    name: str
    paths: Mapping[Split, str]
    format: FormatName
    kind: Kind
    fields: tuple[str, ...]
    records: Mapping[Split, int]
    labels: Mapping[str, int] = field(default_factory=dict)  # with their counts, all splits
    problem: str = ""  # why it cannot be trained as it is
    test_slice: bool = False  # the first records of its file are held out, not a share by content


def inspect_files(paths: Sequence[str], root: Path) -> list[Inspected]:
    """What each path would be as a task; `train` and `test` files of one name become one task.

    What can be read and not be understood is returned with its `problem`. DataError with the
    mistakes of all files where some cannot be read, or none can be understood.
    """
    groups: dict[str, dict[Split, str]] = {}
    for path in expanded(paths, root):
        name, split = name_of(path)
        if split in groups.get(name, {}):
            name = _free(name, groups)
        groups.setdefault(name, {})[split] = path
    mistakes = Mistakes()
    found: list[Inspected] = []
    unread = False
    for name, group in groups.items():
        try:
            rows: dict[Split, list[Row]] = {s: _rows(path, root) for s, path in group.items()}
            found.append(_inspected(name, group, rows))
            if found[-1].problem:
                mistakes.add(name, found[-1].problem)
        except DataError as error:
            unread = True
            mistakes.add(name, error.mistakes)
    if unread or all(task.problem for task in found):
        mistakes.raise_any()
    return found


def name_of(path: str) -> tuple[str, Split]:
    """Task name and split that a path suggests: `reviews/train.jsonl` is `reviews`, train."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    if len(parts) > 1 and has_magic(parts[-1]):
        parts.pop()  # `law/*.txt` is about law
    last = parts[-1] if parts else "task"
    match = _part(last)
    if match is None:
        return _slug(_stem(last)), "train"
    parent = parts[-2] if len(parts) > 1 else "task"
    return _slug(match[1] or parent), _PARTS[match[2]]


def _part(file: str) -> re.Match[str] | None:
    """The task and the split that the name of a file holds, where it holds a split."""
    return re.fullmatch(rf"(?:(.+)[_.-])?({'|'.join(_PARTS)})", _stem(file).lower())


def _stem(file: str) -> str:
    stem, suffix = file.removesuffix(".gz"), suffix_of(file)
    return stem.removesuffix(suffix) if suffix else stem


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "task"


def _free(name: str, taken: Mapping[str, object]) -> str:
    return next(f"{name}_{i}" for i in range(2, len(taken) + 3) if f"{name}_{i}" not in taken)


def expanded(paths: Sequence[str], root: Path) -> list[str]:
    """The paths, with each folder of data files replaced by its files, and so each pattern of
    files of which any is called after a split: `data/*.jsonl` with a `data/test.jsonl`."""
    expanded: list[str] = []
    for path in paths:
        folder = root / path
        inside = sorted(folder.iterdir()) if folder.is_dir() else []
        data = [file.name for file in inside if suffix_of(file.name) in DATA_SUFFIXES]
        expanded += [f"{path.rstrip('/')}/{name}" for name in data] if data else _met(path, root)
    return expanded


def _met(path: str, root: Path) -> list[str]:
    if not has_magic(path) or (root / path).exists():
        return [path]
    try:
        names = [found.name for found in find_files(path, root)]
    except DataError:
        return [path]  # told where the path is read
    return names if any(_part(name.rpartition("/")[2]) for name in names) else [path]


def _inspected(
    name: str, group: Mapping[Split, str], rows: Mapping[Split, Sequence[Row]]
) -> Inspected:
    flat = [row for some in rows.values() for row in some]
    try:
        shape = detect(flat)
    except DataError as error:
        return Inspected(
            name=name,
            paths=dict(group),
            format="auto",
            kind="answer",
            fields=tuple(flat[0].values),
            records=_sizes(rows),
            problem=error.mistakes[0],
        )
    drafts: list[Draft] = []
    mistakes = Mistakes()
    for row in flat:
        try:
            drafts += shape.drafts(row, InstructionSettings())
        except DataError as error:
            mistakes.add(row.file, error.mistakes)
    mistakes.raise_any()
    first = drafts[0]
    kind: Kind = "choice" if first.labelled or first.choices else "answer"
    if first.text or first.feedback is not None:
        kind = "text" if first.text else "feedback"
    labels = Counter(draft.answers[0] for draft in drafts if draft.labelled)
    return Inspected(
        name=name,
        paths=dict(group),
        format=shape.name,
        kind=kind,
        fields=tuple(flat[0].values),
        records=_sizes(rows),
        problem=_label_problem(name, labels) if kind == "choice" and labels else "",
        labels=dict(sorted(labels.items())),
        test_slice=shape.name == "natural_instructions" and has_test_slice(flat),
    )


def _sizes(rows: Mapping[Split, Sequence[Row]]) -> dict[Split, int]:
    return {split: len(some) for split, some in rows.items()}


def _label_problem(name: str, labels: Mapping[str, int]) -> str:
    """What loading the task will have against the labels that are found."""
    try:
        resolve_labels(None, labels, name)
    except DataError as error:
        return error.mistakes[0]
    return ""


def _rows(path: str, root: Path) -> list[Row]:
    return [row for found in find_files(path, root) for row in read_file(found)[0]]
