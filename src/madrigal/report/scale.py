"""Axes: round ticks, and the way from a value to a place on the paper."""

import math
from dataclasses import dataclass

from madrigal.report.numbers import MINUS, Number


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight map from [low, high] of the data to [start, end] of the paper."""

    low: Number
    high: Number
    start: Number
    end: Number

    def __call__(self, value: Number) -> Number:
        """The place of a value, held inside the paper."""
        span = (self.high - self.low) or 1.0
        share = min(max((value - self.low) / span, 0.0), 1.0)
        return self.start + share * (self.end - self.start)


def ticks(low: Number, high: Number, about: int = 4) -> list[Number]:
    """Round values inside [low, high], about so many: 1, 2 or 5 times a power of ten apart."""
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(
        m for m, most in ((1, 1.5), (2, 3.5), (5, 7.5), (10, 11)) if rough <= most * power
    )
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [0.0 if index == 0 else index * step for index in range(first, last + 1)]


def tick_text(value: Number, largest: Number | None = None) -> str:
    """The shortest honest form: 0.2, 150, 12k, 3e-4. `largest` of an axis sets the form of all."""
    size = abs(value)
    most = size if largest is None else largest
    if most >= 1e6:
        return f"{value / 1e6:g}M" if value else "0"
    if most >= 1e4:
        return f"{value / 1e3:g}k" if value else "0"
    if size > 0 and most < 1e-2:
        mantissa, exponent = f"{value:.2e}".split("e")
        mantissa = mantissa.rstrip("0").rstrip(".")
        return f"{mantissa}e{MINUS}{abs(int(exponent))}"
    return f"{value:.6g}".replace("-", MINUS)
