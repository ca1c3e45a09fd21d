"""OpenAI's shape: `{"messages": [{"role": "user", "content": "..."}, ...]}`."""

from madrigal.errors import DataError
from madrigal.recipe.task import InstructionSettings
from madrigal.tasks.formats.base import Draft, Format, scalars
from madrigal.tasks.formats.turns import conversation, turns_of
from madrigal.tasks.row import Row
from madrigal.tasks.template import unknown_field


def _matches(row: Row) -> bool:
    return isinstance(row.values.get("messages"), list)


def _drafts(row: Row, _: InstructionSettings) -> list[Draft]:
    if "messages" not in row.values:
        raise DataError(f"{row.where}: {unknown_field('messages', row.values)}")
    turns = turns_of(row.values["messages"], row.where)
    return [conversation(row, turns, scalars(row.values))]


MESSAGES = Format("messages", "messages: [{role, content}]", _matches, _drafts)
