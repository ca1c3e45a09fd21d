"""Raw text: `{"text": ...}`, or a text file."""

from madrigal.recipe.task import InstructionSettings
from madrigal.tasks.formats.base import Draft, Format, need, scalars
from madrigal.tasks.row import Row


def _matches(row: Row) -> bool:
    return "text" in row.values


def _drafts(row: Row, _: InstructionSettings) -> list[Draft]:
    text = need(row, "text")
    return [Draft(row.where, text=text, fields=scalars(row.values))]


TEXT = Format("text", "text", _matches, _drafts)
