"""Measured numbers as they stand in a sentence."""

from collections.abc import Sequence

from madrigal.evaluation.measure import Measure

_SPACE = "\N{NO-BREAK SPACE}"
_MINUS = "\N{MINUS SIGN}"


def percent(measure: Measure) -> str:
    """84.2 % (81.0 to 87.1)."""
    return f"{share(measure.value)} ({percent_range(measure)})"


def percent_range(measure: Measure) -> str:
    """81.0 to 87.1."""
    return f"{100 * measure.low:.1f} to {100 * measure.high:.1f}"


def share(value: float) -> str:
    """12.5 %."""
    return f"{100 * value:.1f}{_SPACE}%"


def decimal(measure: Measure) -> str:
    """0.84 (0.81 to 0.87)."""
    return f"{fixed(measure.value)} ({decimal_range(measure)})"


def decimal_range(measure: Measure) -> str:
    """0.81 to 0.87."""
    return f"{fixed(measure.low)} to {fixed(measure.high)}"


def fixed(value: float) -> str:
    """0.84."""
    text = f"{value:.2f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", _MINUS)


def counted(count: int, one: str, many: str = "") -> str:
    """1 vote, 2 votes."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(names: Sequence[str]) -> str:
    """`a`; `a and b`; `a, b and c`."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
