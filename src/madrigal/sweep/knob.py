"""A key of the recipe that a sweep turns, and what it may be set to."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from madrigal.recipe.dump import scalar

DIGITS = 4  # significant ones of a number that is drawn: commands stay readable
_WORD = re.compile(r"[A-Za-z][\w./-]*")

Number = int | float


@dataclass(frozen=True, slots=True)
class Choices:
    """Some values, each as likely as the others. A value is plain data: `upgrad`, 8, a mapping."""

    key: str
    values: tuple[Any, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """One text for each value, as behind the `=` of `--set`."""
        return tuple(text_of(value) for value in self.values)

    def at(self, uniform: float) -> Any:
        """The value for a number drawn evenly from [0, 1)."""
        return self.values[min(int(uniform * len(self.values)), len(self.values) - 1)]

    def holds(self, value: Any) -> bool:
        """Whether the value is among them."""
        return text_of(value) in self.labels

    def ends(self) -> tuple[Any, ...]:
        """The values that the recipe must take before anything is run."""
        return self.values

    def __str__(self) -> str:
        return f"one of {', '.join(self.labels)}"


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`, both included; `log`: as likely in every decade.

    With `whole` only whole numbers, with `step` only low, low + step, low + 2 step ...
    """

    key: str
    low: Number
    high: Number
    log: bool = False
    whole: bool = False
    step: Number | None = None

    def at(self, uniform: float) -> Number:
        """The value for a number drawn evenly from [0, 1)."""
        step = self.step or (1 if self.whole else None)
        if self.log:
            margin = 0.5 if self.whole else 0.0  # so that the ends are as likely as the rest
            low, high = math.log(self.low - margin), math.log(self.high + margin)
            found = math.exp(low + uniform * (high - low))
        elif step is not None:
            count = math.floor((self.high - self.low) / step + 1e-9) + 1
            found = self.low + step * min(int(uniform * count), count - 1)
        else:
            found = self.low + uniform * (self.high - self.low)
        return self.held(found)

    def held(self, value: Number) -> Number:
        """The number as it is set: whole, or of few digits, and inside the range."""
        if self.whole:
            return int(min(max(round(value), self.low), self.high))
        digits = DIGITS if self.step is None else 12
        return min(max(float(f"{value:.{digits}g}"), self.low), self.high)

    def share(self, value: Number) -> float:
        """How far along the range a value is: 0 at `low`, 1 at `high`."""
        if self.log:
            return (math.log(value) - math.log(self.low)) / (
                math.log(self.high) - math.log(self.low)
            )
        return (value - self.low) / (self.high - self.low)

    def holds(self, value: Any) -> bool:
        """Whether the value is a number inside the range."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high

    def ends(self) -> tuple[Any, ...]:
        """The values that the recipe must take before anything is run."""
        return (self.held(self.low), self.held(self.high))

    def __str__(self) -> str:
        kind = (
            ", on a log scale" if self.log else f", in steps of {self.step:g}" if self.step else ""
        )
        return f"{text_of(self.low)} to {text_of(self.high)}{kind}"


Knob = Choices | Range
Values = Mapping[str, Any]  # of a trial, by key


def text_of(value: Any) -> str:
    """A plain value on one line, so that `--set` reads the same value again."""
    if isinstance(value, str) and _WORD.fullmatch(value) and scalar(value) == value:
        return value
    if isinstance(value, float):
        return f"{value:.15g}" if float(f"{value:.15g}") == value else repr(value)
    return "".join(map(_escaped, json.dumps(value, ensure_ascii=False)))


def _escaped(letter: str) -> str:
    """What may not stand in YAML, or ends a line there, as YAML escapes it."""
    if letter.isprintable():
        return letter
    code = ord(letter)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def overrides(values: Values) -> list[str]:
    """What stands behind each `--set` of a trial."""
    return [f"{key}={text_of(value)}" for key, value in values.items()]
