"""The words of samples as their files have them, read again."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int

from madrigal.curation.reading import row_of, samples, told_by
from madrigal.curation.sources import Source
from madrigal.curation.stream import items
from madrigal.curation.table import Table
from madrigal.errors import DataError
from madrigal.tasks.formats.detect import choose_format

LONGEST = 4000  # characters; of a longer text the beginning


def own_texts(table: Table, among: Int[np.ndarray, " S"]) -> list[str]:
    """What the row of each sample brought. DataError where a file cannot be read any more."""
    record, part, files = (
        some[among] for some in (table.column("record"), table.column("part"), table.files())
    )
    found: dict[tuple[int, int, int], str] = {}
    for number in np.unique(files).tolist():
        here = files == number
        wanted: dict[int, set[int]] = {}
        for row, place in zip(record[here].tolist(), part[here].tolist(), strict=True):
            wanted.setdefault(row, set()).add(place)
        for key, text in _texts(table.sources.files[number], wanted).items():
            found[(number, *key)] = text
    keys = zip(files.tolist(), record.tolist(), part.tolist(), strict=True)
    return [found.get(key, "") for key in keys]


def _texts(source: Source, wanted: Mapping[int, set[int]]) -> dict[tuple[int, int], str]:
    shape = choose_format(source.task, source.first, source.settings)
    found: dict[tuple[int, int], str] = {}
    for number, item in enumerate(items(source.found)):
        if number not in wanted:
            continue
        try:
            row = row_of(item, source.name, source.settings.data.columns)
            read = samples(row, shape, source.settings, told_by(item.header))
        except DataError:
            continue  # told when the blocks were looked at
        for part in wanted[number]:
            if part < len(read):
                found[number, part] = read[part].own[:LONGEST]
    return found
