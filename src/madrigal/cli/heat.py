"""A matrix of signed numbers in a terminal, coloured, legible in 100 columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from rich.text import Text

from madrigal.report.numbers import MINUS

_NAME = 10  # the least width of a row's number and name
_GREEN, _RED, _GREY = (70, 190, 110), (235, 105, 95), (215, 215, 215)
_BLANK = "·"


@dataclass(frozen=True, slots=True)
class Scale:
    """How the numbers of a matrix are printed: so many of `unit`, in so many characters."""

    unit: float
    digits: int  # behind the point
    width: int  # of a cell, with the space before it

    def text(self, value: float) -> str:
        """The number in a cell."""
        shown = f"{abs(value) / self.unit:.{self.digits}f}"
        plain = not any(digit in "123456789" for digit in shown)
        return shown if plain else f"{MINUS if value < 0 else '+' if self.digits else ''}{shown}"


def power(value: float) -> int:
    """The power of ten in the value: 1e-5 holds 3.2e-5 and 9.99e-5."""
    return int(np.floor(np.log10(value))) if value > 0 else 0


def scale_for(largest: float, columns: int, room: int) -> Scale:
    """One decimal where there is room, else whole numbers, else one digit with 9 the largest."""
    unit = 10.0 ** power(largest)
    for scale in (Scale(unit, 1, 7), Scale(unit, 1, 6), Scale(unit / 10, 0, 4)):
        if _NAME + columns * scale.width <= room:
            return scale
    return Scale(largest / 9 if largest > 0 else 1.0, 0, 3)


def heat(
    names: Sequence[str],
    values: Float[np.ndarray, "K K"],
    bold: Bool[np.ndarray, "K K"],
    breaks: Sequence[int],
    scale: Scale,
    room: int,
) -> Iterator[Text]:
    """The lines: rows by number and name, columns by number, an empty line before `breaks`.

    Where not all columns fit they come in several blocks.
    """
    count = len(names)
    each = max(1, (room - _NAME) // scale.width)
    largest = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    for first in range(0, count, each):
        columns = range(first, min(first + each, count))
        left = min(max(map(len, names)) + 4, room - len(columns) * scale.width)
        if first:
            yield Text("")
        numbers = "".join(f"{j + 1:>{scale.width}}" for j in columns)
        yield Text(" " * left + numbers, style="dim")
        for i, name in enumerate(names):
            if i in breaks and first == 0 and count <= each:
                yield Text("")
            line = Text(_head(i + 1, name, left))
            for j in columns:
                line.append(*_cell(values[i, j], bool(bold[i, j]), scale, largest))
            yield line


def _head(number: int, name: str, width: int) -> str:
    room = width - 4
    short = name if len(name) <= room else f"{name[: room - 1]}…"
    return f"{number:>2} {short:<{room}} "


def _cell(value: float, bold: bool, scale: Scale, largest: float) -> tuple[str, str]:
    if np.isnan(value):
        return f"{_BLANK:>{scale.width}}", "dim"
    strength = min(1.0, abs(value) / largest) ** 0.5  # small ones are seen too
    end = _GREEN if value > 0 else _RED
    colour = [round(a + strength * (b - a)) for a, b in zip(_GREY, end, strict=True)]
    style = f"{'bold ' if bold else ''}black on rgb({colour[0]},{colour[1]},{colour[2]})"
    return f"{scale.text(value):>{scale.width}}", style
