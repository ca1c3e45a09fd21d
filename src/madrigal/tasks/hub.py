"""Data sets of the hub, through `datasets`."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madrigal.errors import DataError
from madrigal.recipe.task import HubSource
from madrigal.tasks.row import Row, quoted
from madrigal.tasks.sources import Sources
from madrigal.tasks.task import DataFile, Split

if TYPE_CHECKING:
    from datasets import Dataset


def read_hub(source: HubSource, root: Path) -> Sources:
    """The named splits of a data set, by id or from a folder below `root` that holds one.

    Class labels become their names. DataError if it cannot be had, or has no such split.
    """
    parts = _load(source, root)
    asked: Mapping[Split, str | None] = {
        "train": source.train,
        "validation": source.validation,
        "test": source.test,
    }
    rows: dict[Split, list[Row]] = {}
    files: list[DataFile] = []
    for split, name in asked.items():
        if name is None:
            continue
        if name not in parts:
            raise DataError(f"{source.id}: no split '{name}'; found {quoted(parts)}")
        file = f"{source.id} {name}"
        rows[split] = [
            Row(file, f"{file} row {number}", values)
            for number, values in enumerate(_named(parts[name]), 1)
        ]
        files.append(_described(parts[name], file))
    return Sources(rows, tuple(files))


def _load(source: HubSource, root: Path) -> "Mapping[str, Dataset]":
    import datasets

    local = root / source.id
    place = str(local) if local.is_dir() else source.id
    try:
        loaded = datasets.load_dataset(
            place, name=source.config, revision=None if local.is_dir() else source.revision
        )
    except Exception as error:  # offline, gated, unknown, damaged: the library raises many kinds
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(
            f"{source.id}: the data set cannot be loaded: {reason} (is the id right, is there a "
            "network, does it need a `config`?)"
        ) from error
    return {str(name): part for name, part in loaded.items()}


def _named(part: "Dataset") -> Iterator[dict[str, Any]]:
    """Rows with class labels by their names."""
    names = {
        column: feature.names
        for column, feature in part.features.items()
        if hasattr(feature, "names") and hasattr(feature, "int2str")
    }
    for values in part:
        row = dict(values)
        for column, known in names.items():
            index = row[column]
            # -1 marks the hidden labels of public test sets.
            row[column] = known[index] if index is not None and index >= 0 else None
        yield row


def _described(part: "Dataset", name: str) -> DataFile:
    """The library's own fingerprint stands for a hash of the content."""
    fingerprint = str(getattr(part, "_fingerprint", ""))
    digest = hashlib.sha256(fingerprint.encode()).hexdigest()
    return DataFile(name, int(part.dataset_size or 0), digest, len(part))
