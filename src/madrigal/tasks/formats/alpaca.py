"""Alpaca's shape: `instruction`, `input`, `output`, and maybe `system` and `history`.

The prompt is the instruction, a blank line, the input, and a line end, so that the answer begins
a line of its own. Self-Instruct's list `instances` of inputs and outputs is read too.
"""

from typing import Any

from madrigal.errors import DataError
from madrigal.recipe.task import InstructionSettings
from madrigal.tasks.formats.base import (
    Draft,
    Format,
    first_of,
    has,
    need,
    optional,
    scalars,
    texts,
)
from madrigal.tasks.record import Turn
from madrigal.tasks.row import Row
from madrigal.tasks.template import unknown_field

_OUTPUTS = ("output", "response", "instances")


def _matches(row: Row) -> bool:
    return has(row, "instruction") and first_of(row, _OUTPUTS) is not None


def _drafts(row: Row, settings: InstructionSettings) -> list[Draft]:
    if "instances" in row.values and "output" not in row.values:
        return _instances(row, settings)
    output = first_of(row, _OUTPUTS)
    if output is None:
        raise DataError(f"{row.where}: {unknown_field('output', row.values)}")
    turns = instruction_turns(row)
    return [Draft(row.where, turns, texts(row, output), fields=scalars(row.values))]


def instruction_turns(row: Row) -> tuple[Turn, ...]:
    """Everything before the answer: `system`, `history`, `instruction` and `input`."""
    prompt = need(row, "instruction")
    more = optional(row, "input")
    return (
        *opening_turns(row),
        Turn("user", f"{prompt}\n\n{more}\n" if more.strip() else f"{prompt}\n"),
    )


def opening_turns(row: Row) -> tuple[Turn, ...]:
    """What comes before the prompt: `system` and `history`, if they are there."""
    system = optional(row, "system")
    opening = (Turn("system", system),) if system.strip() else ()
    return (*opening, *history_turns(row))


def history_turns(row: Row) -> list[Turn]:
    """`history: [[question, answer], ...]`: earlier turns, whose answers are trained too."""
    turns: list[Turn] = []
    for pair in row.values.get("history") or []:
        if (
            not isinstance(pair, list)
            or len(pair) != 2
            or not all(isinstance(t, str) for t in pair)
        ):
            raise DataError(f"{row.where}: field 'history' must hold pairs of question and answer")
        turns += [Turn("user", pair[0]), Turn("assistant", pair[1])]
    return turns


def _instances(row: Row, settings: InstructionSettings) -> list[Draft]:
    instances: Any = row.values["instances"]
    if not isinstance(instances, list) or not all(isinstance(i, dict) for i in instances):
        raise DataError(f"{row.where}: field 'instances' must be a list of objects")
    rest = {name: value for name, value in row.values.items() if name != "instances"}
    rows = [Row(row.file, row.where, {**rest, **instance}) for instance in instances]
    return [draft for one in rows for draft in _drafts(one, settings)]


ALPACA = Format("alpaca", "instruction, input, output", _matches, _drafts)
