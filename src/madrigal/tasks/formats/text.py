"""Raw text: `{"text": ...}`, or a text file."""

from madrigal.recipe.task import InstructionSettings
from madrigal.tasks.formats.base import Draft, Format, need, scalars
from madrigal.tasks.row import Row, quoted


def _matches(row: Row) -> bool:
    return "text" in row.values


def _drafts(row: Row, _: InstructionSettings) -> list[Draft]:
    text = need(row, "text")
    fields = scalars(row.values)
    unused = sorted(set(fields) - {"text"})
    note = f"rows are raw text; their other fields ({quoted(unused)}) are not trained"
    return [Draft(row.where, text=text, note=note if unused else "", fields=fields)]


TEXT = Format("text", "text", _matches, _drafts)
