"""Another label in a row, wherever its format keeps it."""

from collections.abc import Mapping
from typing import Any

from madrigal.curation.sources import Source
from madrigal.tasks.formats.base import scalar
from madrigal.tasks.formats.classification import label_of
from madrigal.tasks.row import Row


def relabelled(
    values: Mapping[str, Any], source: Source, old: str, new: str
) -> dict[str, Any] | None:
    """The row with the label `new` in the place of `old`; None where it is not plain which place
    that is: not the field of the label, nor the only one that says just the old label."""
    field = _field(values, source)
    if field is not None and _said(values[field]) == old:
        return {**values, field: _like(values[field], new)}
    places = [name for name, value in values.items() if _only(value) == old]
    if len(places) != 1:
        return None
    value = values[places[0]]
    return {**values, places[0]: [new] if isinstance(value, list) else _like(value, new)}


def _field(values: Mapping[str, Any], source: Source) -> str | None:
    """The field of the label, under the name that the file gives it."""
    columns = source.settings.data.columns
    if source.format != "classification":
        return None
    renamed = dict(values) | {name: values[old] for name, old in columns.items() if old in values}
    found = label_of(Row(source.name, source.name, renamed))
    name = columns.get(found, found) if found is not None else None
    return name if name in values else None


def _only(value: Any) -> str | None:
    """What a field says that says one thing."""
    if isinstance(value, list):
        return _said(value[0]) if len(value) == 1 else None
    return _said(value)


def _said(value: Any) -> str | None:
    text = scalar(value)
    return None if text is None else text.strip()


def _like(old: Any, new: str) -> Any:
    """A number stays a number."""
    if isinstance(old, int) and not isinstance(old, bool) and new.lstrip("-").isdecimal():
        return int(new)
    return new
