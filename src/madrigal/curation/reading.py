"""From an item of a file to the samples in it, or to what makes it unreadable."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from madrigal.curation.sample import Sample, Told, UnknownFieldError, sample_of
from madrigal.curation.stream import Item
from madrigal.errors import DataError
from madrigal.recipe.task import TaskSettings
from madrigal.tasks.formats.base import Format, scalar
from madrigal.tasks.row import Row
from madrigal.tasks.tables import line_row
from madrigal.tasks.template import unknown_field

# What says the language of prompts and answers, and the licence, in the header of a file.
_LANGUAGES = (("Input_language", "input_language"), ("Output_language", "output_language"))
_LICENCES = ("Instance License", "license", "licence", "License")


def row_of(item: Item, file: str, columns: Mapping[str, str]) -> Row:
    """The item as a row, its fields renamed. DataError if it is none."""
    row = raw_row(item, file)
    if not columns:
        return row
    missing = [name for name in columns.values() if name not in row.values]
    if missing:
        raise DataError(f"{row.where}: {unknown_field(missing[0], row.values)}")
    taken = set(columns.values())
    kept = {name: value for name, value in row.values.items() if name not in taken}
    renamed = {name: row.values[source] for name, source in columns.items()}
    return Row(row.file, row.where, {**kept, **renamed}, row.header)


def raw_row(item: Item, file: str) -> Row:
    """The item as a row, with the fields that it has. DataError if it is none."""
    if item.problem:
        raise DataError(item.problem)
    if item.line is None:
        return Row(file, item.where, item.values, item.header)
    zero = item.line.find(b"\0")
    if zero >= 0:
        raise DataError(f"{item.where}: a NUL byte in column {zero + 1}; this is no text")
    try:
        text = item.line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{item.where}: byte 0x{item.line[error.start]:02x} in column {error.start + 1} is not "
            "UTF-8; save the file as UTF-8"
        ) from error
    return line_row(text, file, item.where)


def samples(row: Row, shape: Format, settings: TaskSettings, told: Told) -> list[Sample]:
    """All examples of a row. DataError where its format cannot read it."""
    try:
        drafts = [one for one in shape.drafts(row, settings.instruction) if not one.left_out]
        for draft in drafts:
            if draft.problem and settings.prompt is None:
                raise DataError(draft.problem)
        return [sample_of(draft, settings, told) for draft in drafts]
    except UnknownFieldError as error:
        raise DataError(f"{row.where}: {error.args[0]}") from error


def told_by(header: Mapping[str, Any], languages: tuple[str, str] = ("", "")) -> Told:
    """What the keys beside the rows say of language and licence, and `languages` where nothing."""
    if not header:
        return Told(languages)
    prompt, answer = (_first(header, names) for names in _LANGUAGES)
    return Told((prompt or languages[0], answer or languages[1]), _first(header, _LICENCES))


def _first(header: Mapping[str, Any], names: Sequence[str]) -> str | None:
    for name in names:
        value = header.get(name)
        items = value if isinstance(value, list) else [value]
        said = [text for one in items if (text := scalar(one))]
        if said:
            return ", ".join(said)
    return None


Reader = Callable[[Row], list[Sample]]
