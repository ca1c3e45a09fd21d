"""ShareGPT's shape: `{"conversations": [{"from": "human", "value": "..."}, ...]}`."""

from madrigal.errors import DataError
from madrigal.recipe.task import InstructionSettings
from madrigal.tasks.formats.base import Draft, Format, optional, scalars
from madrigal.tasks.formats.turns import conversation, turns_of
from madrigal.tasks.record import Turn
from madrigal.tasks.row import Row
from madrigal.tasks.template import unknown_field

_FIELDS = ("conversations", "conversation")


def _matches(row: Row) -> bool:
    return any(isinstance(row.values.get(name), list) for name in _FIELDS)


def _drafts(row: Row, _: InstructionSettings) -> list[Draft]:
    name = next((name for name in _FIELDS if name in row.values), None)
    if name is None:
        raise DataError(f"{row.where}: {unknown_field('conversations', row.values)}")
    turns = turns_of(row.values[name], row.where)
    system = optional(row, "system")
    if system.strip() and turns[0].role != "system":
        turns = [Turn("system", system), *turns]
    return [conversation(row, turns, scalars(row.values))]


SHAREGPT = Format("sharegpt", "conversations: [{from, value}]", _matches, _drafts)
