"""Two answers side by side, and words for which of them is better."""

from dataclasses import dataclass
from typing import Any

from madrigal.errors import DataError
from madrigal.tasks.bad import CURE
from madrigal.tasks.formats.base import has, scalar
from madrigal.tasks.formats.judged import places
from madrigal.tasks.row import Row, quoted

_STEMS = ("response", "output", "answer", "completion", "reply")
_ENDS = (("1", "2"), ("a", "b"), ("0", "1"))
_TIES = ("tie", "both", "equal", "same", "draw", "neither", "tie (bothbad)")

FIRST, SECOND, TIE = (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)


@dataclass(frozen=True, slots=True)
class Two:
    """The fields of two answers; `ends` is how their names end, `1` and `2`."""

    names: tuple[str, str]
    ends: tuple[str, str]

    @property
    def marks(self) -> dict[str, int]:
        """Every word that names one of them, and its place."""
        ends = [("a", "b"), self.ends]
        ends += [("1", "2")] if self.ends != ("0", "1") else []
        return {word: place for pair in (self.names, *ends) for place, word in enumerate(pair)}


def two_of(row: Row) -> Two | None:
    """The two answers of the row, if their fields have names that are known."""
    return next(
        (
            Two((first, second), ends)
            for stem in _STEMS
            for ends in _ENDS
            if has(row, first := f"{stem}_{ends[0]}", second := f"{stem}_{ends[1]}")
        ),
        None,
    )


def values(value: Any, two: Two, where: str, name: str) -> tuple[float, float]:
    """Which answer a verdict such as `1`, `b`, `model_a`, `response_2`, `tie` or 0 prefers."""
    said = str(scalar(value)).strip().lower()
    word = said if said in two.marks else said.rpartition("_")[2]
    if word in two.marks:
        return SECOND if two.marks[word] else FIRST
    if said in _TIES or said == "0":
        return TIE
    raise DataError(
        f"{where}: field '{name}' is '{said}'; it must be one of {quoted(two.ends)}, or 'tie'{CURE}"
    )


def shown(row: Row, two: Two) -> tuple[int, ...]:
    """In which order the answers were shown: `swapped`, or `shown` or `order` such as `ba`."""
    if row.values.get("swapped") is not None:
        swapped = str(scalar(row.values["swapped"])).lower()
        if swapped not in ("true", "false", "0", "1"):
            raise DataError(f"{row.where}: field 'swapped' is '{swapped}'; it is true or false")
        return (1, 0) if swapped in ("true", "1") else (0, 1)
    name = next((name for name in ("shown", "order") if row.values.get(name) is not None), None)
    if name is None:
        return ()
    order = tuple(places(row.values[name], [two.marks], row.where, name))
    if sorted(order) != [0, 1]:
        raise DataError(f"{row.where}: field '{name}' must name both answers, each once{CURE}")
    return order
